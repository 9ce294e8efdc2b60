//! The live view of `lamp top`: its state, which keys and what was read change, and what is drawn of it.

mod content;
mod draw;
mod intent;
mod page;
mod run;
mod source;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    draw::Looks,
    intent::quoted,
    run::{Manner, run},
    source::DeskSource,
    state::State,
};
