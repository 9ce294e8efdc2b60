//! Job types.

use askama::Template;
use axum::extract::{Path, Query};

use super::{
    Page, draw,
    frame::Frame,
    portion::{Asked, Portion},
    query::quoted,
    schema_form::SchemaForm,
    ui::{self, Markup},
    written,
};
use crate::{
    Desk, chart,
    http::Chrome,
    view::{Activity, DefinitionView, Part, PercentilesView, TypeDetail, TypeView},
};

/// The schedules that the page of a type names.
const SCHEDULES: usize = 12;

#[derive(Template)]
#[template(path = "types.html")]
struct TypesPage {
    frame: Frame,
    types: Vec<TypeView>,
    portion: Portion<()>,
}

pub(super) async fn list(desk: Desk, chrome: Chrome, Query(asked): Query<Asked>) -> Page {
    let list = desk.types().await?;
    let frame = Frame::of(&chrome, "Job types").read_at(list.as_of);
    let address = format!("{}/types", frame.base);
    let (types, portion) = Portion::of(list.items, &asked, &address, |each| &each.job).split();
    let frame = if portion.is_long { frame.with_query() } else { frame };
    written(&TypesPage { frame, types, portion })
}

/// The percentiles of something.
struct Strip {
    name: &'static str,
    drawing: Markup,
    times: PercentilesView,
}

#[derive(Template)]
#[template(path = "type.html")]
struct TypePage {
    frame: Frame,
    each: TypeView,
    activity: Part<Activity>,
    strips: Vec<Strip>,
    definition: Option<DefinitionView>,
    schema: String,
    schedules: Vec<String>,
    more_schedules: u64,
    form: Option<Markup>,
    jobs_query: String,
}

#[derive(Template)]
#[template(path = "enqueue.html")]
struct EnqueueForm<'f> {
    frame: &'f Frame,
    job: &'f str,
    fields: Markup,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(job): Path<String>) -> Page {
    let TypeDetail { summary, definition, activity, mut schedules, as_of, .. } = desk.job_type(&job).await?;
    let more_schedules = schedules.len().saturating_sub(SCHEDULES) as u64;
    schedules.truncate(SCHEDULES);
    let frame = Frame::of(&chrome, summary.job.clone()).read_at(as_of);
    let form = match &definition {
        Some(definition) if frame.may("enqueue") => {
            let fields = SchemaForm::of(&definition.schema, &desk.sensitive_fields(&job)).markup();
            Some(Markup(written(&EnqueueForm { frame: &frame, job: &summary.job, fields })?.0))
        }
        _ => None,
    };
    let schema = definition.as_ref().and_then(|definition| serde_json::to_string_pretty(&definition.schema).ok());
    let page = TypePage {
        strips: strips(&summary),
        schema: schema.unwrap_or_default(),
        jobs_query: format!("job:{}", quoted(&summary.job)),
        frame,
        each: summary,
        activity,
        definition,
        schedules,
        more_schedules,
        form,
    };
    written(&page)
}

fn strips(summary: &TypeView) -> Vec<Strip> {
    let all = [("duration", summary.duration), ("waited", summary.queue_latency)];
    let micros = |milliseconds: f64| (milliseconds.max(0.0) * 1000.0) as u64;
    let strip = |(name, times): (&'static str, Option<PercentilesView>)| {
        let times = times?;
        let title = format!("{name}: half within {}", ui::milliseconds(&times.p50_ms));
        let values = (micros(times.p50_ms), micros(times.p95_ms), micros(times.p99_ms));
        Some(Strip { name, drawing: Markup(chart::percentiles(&title, values, values.2)), times })
    };
    all.into_iter().filter_map(strip).collect()
}
