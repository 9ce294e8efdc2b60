//! What happens to a call on its way, by the plan and the dice.

use crate::{
    dice::Dice,
    plan::{Away, How, Profile},
};

/// A service that hosts and producers call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Store,
    Queue,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Done after so many milliseconds, and answered after so many more.
    Done { before: u64, after: u64 },
    /// Refused after so many milliseconds, and not done.
    Refused { after: u64 },
    /// Done after so many milliseconds, and never answered.
    Mute { before: u64 },
    /// Neither done nor answered.
    Lost,
}

/// The longest time that a request is on its way, in milliseconds: connections end.
const LONGEST: u64 = 15_000;

impl Fate {
    pub(crate) const GOOD: Self = Self::Done { before: 0, after: 0 };
}

/// The faults of a seed.
#[derive(Debug)]
pub(crate) struct Faults {
    profile: Profile,
    calm_at: u64,
    pub(crate) dice: Dice,
}

impl Faults {
    pub(crate) fn new(profile: Profile, calm_at: u64, dice: Dice) -> Self {
        Self { profile, calm_at, dice }
    }

    /// Whether faults have stopped.
    pub(crate) fn is_calm(&self, now: u64) -> bool {
        now >= self.calm_at
    }

    /// What happens to a call that is made now.
    pub(crate) fn fate(&mut self, service: Service, now: u64) -> Fate {
        if self.is_calm(now) {
            return Fate::GOOD;
        }
        let Profile { slow, lossy_store, lossy_queue, store_away, queue_away, .. } = &self.profile;
        let (aways, lossy) = match service {
            Service::Store => (store_away, *lossy_store),
            Service::Queue => (queue_away, *lossy_queue),
        };
        let (mut before, mut after) = (0, 0);
        if *slow {
            (before, after) = (self.dice.between(0, 12), self.dice.between(0, 12));
            if self.dice.percent(2) {
                // A queue that is at no other fault takes a settlement in time.
                let longest = if service == Service::Queue && !lossy_queue { 2_000 } else { 8_000 };
                before += self.dice.between(100, longest);
            }
        }
        if let Some(Away { to, how, .. }) = aways.iter().find(|away| (away.from..away.to).contains(&now)) {
            return match how {
                How::Refuses => Fate::Refused { after },
                How::Silent => Fate::Lost,
                How::Mute => Fate::Mute { before },
                How::Stuck if to - now <= LONGEST => Fate::Done { before: to - now, after },
                How::Stuck => Fate::Lost,
            };
        }
        if lossy && self.dice.percent(20) {
            return match self.dice.between(0, 4) {
                0 => Fate::Refused { after },
                1 => Fate::Lost,
                2 => Fate::Mute { before },
                // Done, and the caller hears the opposite: the connection broke.
                _ => Fate::Done { before, after: after + self.dice.between(0, 15_000) },
            };
        }
        Fate::Done { before, after }
    }

    /// Whether one request of a call is refused while the others are carried out.
    pub(crate) fn refuses_one(&mut self, service: Service, now: u64) -> bool {
        let lossy = match service {
            Service::Store => self.profile.lossy_store,
            Service::Queue => self.profile.lossy_queue,
        };
        lossy && !self.is_calm(now) && self.dice.percent(5)
    }

    /// After how many polls a host crashes or freezes in its next invocation, if it does.
    pub(crate) fn crash(&mut self, now: u64) -> Option<u64> {
        (self.profile.crashes && !self.is_calm(now) && self.dice.percent(30)).then(|| self.dice.between(1, 25))
    }

    /// As [`crash`](Self::crash), and for how long it is frozen.
    pub(crate) fn freeze(&mut self, now: u64) -> Option<(u64, u64)> {
        (self.profile.freezes && !self.is_calm(now) && self.dice.percent(25))
            .then(|| (self.dice.between(1, 20), self.dice.between(5_000, 150_000)))
    }

    /// After how long a host is told to stop, and how much later to abort.
    pub(crate) fn drain(&mut self, now: u64) -> Option<(u64, u64)> {
        (self.profile.drains && !self.is_calm(now) && self.dice.percent(30))
            .then(|| (self.dice.between(0, 3_000), self.dice.between(0, 3_000)))
    }

    /// Whether a message is delivered again at once.
    pub(crate) fn duplicates(&mut self, now: u64) -> bool {
        self.profile.duplicates && !self.is_calm(now) && self.dice.percent(20)
    }

    /// Whether a message is sent twice, or an old receipt counts.
    pub(crate) fn twice(&mut self, now: u64) -> bool {
        self.profile.duplicates && !self.is_calm(now) && self.dice.percent(5)
    }

    /// Whether messages come in any order.
    pub(crate) fn reorders(&self) -> bool {
        self.profile.reorders
    }

    /// How far a host's clock is from the store's.
    pub(crate) fn clock(&self, host: usize, now: u64) -> i64 {
        match self.profile.clocks.get(host) {
            Some((since, ahead)) if now >= *since => *ahead,
            _ => 0,
        }
    }

    /// Whether only the store can go wrong.
    pub(crate) fn only_store(&self) -> bool {
        self.profile.only_store()
    }
}
