//! What can be read.

use axum::extract::{Path, Query};

use super::{
    parameters::{DeadLetters, Errors, Jobs, Paging, Stats, Text},
    reply::Reply,
};
use crate::{
    desk::Desk,
    problem::{Problem, ProblemBody},
    view::{
        BatchDetail, BatchView, DeadLetterCountsView, DeadLetterView, ErrorDetail, ErrorView, HealthView, JobDetail,
        JobView, List, LogLineView, MeView, OperationView, Overview, Page, QueueDetail, QueueView, ScheduleDetail,
        ScheduleView, StatsView, TypeDetail, TypeView,
    },
};

type Answer<T> = Result<Reply<T>, Problem>;

/// Who is asking, and what they may do.
#[utoipa::path(get, path = "/me", tag = "site", responses(
    (status = 200, description = "The viewer.", body = MeView),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn me(desk: Desk) -> Reply<MeView> {
    Reply(desk.me())
}

/// What the first page shows.
#[utoipa::path(get, path = "/overview", tag = "site", responses(
    (status = 200, description = "The overview. A part that is silent says so.", body = Overview),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn overview(desk: Desk) -> Reply<Overview> {
    Reply(desk.overview().await)
}

/// Jobs that match a query, newest first.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(Jobs, Paging), responses(
    (status = 200, description = "A page of jobs.", body = Page<JobView>),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn jobs(desk: Desk, Query(jobs): Query<Jobs>, Query(page): Query<Paging>) -> Answer<Page<JobView>> {
    desk.jobs(jobs.query(), page.cursor(), page.limit()?).await.map(Reply)
}

/// One job, and what is around it.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "Its id.")), responses(
    (status = 200, description = "The job.", body = JobDetail),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn job(desk: Desk, Path(id): Path<String>) -> Answer<JobDetail> {
    desk.job(&id).await.map(Reply)
}

/// What a job has written to its log, and what operators did to it.
#[utoipa::path(get, path = "/jobs/{id}/log", tag = "jobs", params(("id" = String, Path, description = "Its id.")), responses(
    (status = 200, description = "The lines, oldest first.", body = List<LogLineView>),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn log(desk: Desk, Path(id): Path<String>) -> Answer<List<LogLineView>> {
    desk.log(&id).await.map(Reply)
}

/// Error groups, the one with the latest failure first.
#[utoipa::path(get, path = "/errors", tag = "errors", params(Errors, Paging), responses(
    (status = 200, description = "A page of groups.", body = Page<ErrorView>),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn errors(
    desk: Desk,
    Query(errors): Query<Errors>,
    Query(page): Query<Paging>,
) -> Answer<Page<ErrorView>> {
    let filter = errors.filter(desk.now())?;
    desk.errors(&filter, page.cursor(), page.limit()?).await.map(Reply)
}

/// One error group, and its latest jobs.
#[utoipa::path(get, path = "/errors/{fingerprint}", tag = "errors",
    params(("fingerprint" = String, Path, description = "Its fingerprint.")), responses(
    (status = 200, description = "The group.", body = ErrorDetail),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn error(desk: Desk, Path(fingerprint): Path<String>) -> Answer<ErrorDetail> {
    desk.error(&fingerprint).await.map(Reply)
}

/// All queues.
#[utoipa::path(get, path = "/queues", tag = "queues", responses(
    (status = 200, description = "The queues, by name.", body = List<QueueView>),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn queues(desk: Desk) -> Answer<List<QueueView>> {
    desk.queues().await.map(Reply)
}

/// One queue.
#[utoipa::path(get, path = "/queues/{queue}", tag = "queues", params(("queue" = String, Path, description = "Its name.")),
    responses(
    (status = 200, description = "The queue.", body = QueueDetail),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn queue(desk: Desk, Path(queue): Path<String>) -> Answer<QueueDetail> {
    desk.queue(&queue).await.map(Reply)
}

/// Schedules.
#[utoipa::path(get, path = "/schedules", tag = "schedules", params(Text), responses(
    (status = 200, description = "The schedules, by name.", body = List<ScheduleView>),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn schedules(desk: Desk, Query(text): Query<Text>) -> Answer<List<ScheduleView>> {
    desk.schedules(text.text()).await.map(Reply)
}

/// One schedule, and its runs.
#[utoipa::path(get, path = "/schedules/{schedule}", tag = "schedules",
    params(("schedule" = String, Path, description = "Its name.")), responses(
    (status = 200, description = "The schedule.", body = ScheduleDetail),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn schedule(desk: Desk, Path(schedule): Path<String>) -> Answer<ScheduleDetail> {
    desk.schedule(&schedule).await.map(Reply)
}

/// Job types, and how they did in the last day.
#[utoipa::path(get, path = "/types", tag = "types", responses(
    (status = 200, description = "The types, by name.", body = List<TypeView>),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn types(desk: Desk) -> Answer<List<TypeView>> {
    desk.types().await.map(Reply)
}

/// One job type, with the schema of its arguments.
#[utoipa::path(get, path = "/types/{job}", tag = "types", params(("job" = String, Path, description = "Its name.")),
    responses(
    (status = 200, description = "The type.", body = TypeDetail),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn job_type(desk: Desk, Path(job): Path<String>) -> Answer<TypeDetail> {
    desk.job_type(&job).await.map(Reply)
}

/// Batches, newest first.
#[utoipa::path(get, path = "/batches", tag = "batches", params(Paging), responses(
    (status = 200, description = "A page of batches.", body = Page<BatchView>),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn batches(desk: Desk, Query(page): Query<Paging>) -> Answer<Page<BatchView>> {
    desk.batches(page.cursor(), page.limit()?).await.map(Reply)
}

/// One batch, and a page of its jobs.
#[utoipa::path(get, path = "/batches/{id}", tag = "batches", params(("id" = String, Path, description = "Its id."), Paging),
    responses(
    (status = 200, description = "The batch.", body = BatchDetail),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn batch(desk: Desk, Path(id): Path<String>, Query(page): Query<Paging>) -> Answer<BatchDetail> {
    desk.batch(&id, page.cursor(), page.limit()?).await.map(Reply)
}

/// Dead letters of a queue.
#[utoipa::path(get, path = "/dead-letters/{queue}", tag = "dead letters",
    params(("queue" = String, Path, description = "The queue."), DeadLetters, Paging), responses(
    (status = 200, description = "A page of dead letters, or a sample.", body = Page<DeadLetterView>),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn dead_letters(
    desk: Desk,
    Path(queue): Path<String>,
    Query(letters): Query<DeadLetters>,
    Query(page): Query<Paging>,
) -> Answer<Page<DeadLetterView>> {
    let filter = letters.filter(desk.now())?;
    desk.dead_letters(&queue, &filter, page.cursor(), page.limit()?).await.map(Reply)
}

/// Dead letters of a queue, counted by job and reason.
#[utoipa::path(get, path = "/dead-letters/{queue}/counts", tag = "dead letters",
    params(("queue" = String, Path, description = "The queue."), DeadLetters), responses(
    (status = 200, description = "The counts.", body = DeadLetterCountsView),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn dead_letter_counts(
    desk: Desk,
    Path(queue): Path<String>,
    Query(letters): Query<DeadLetters>,
) -> Answer<DeadLetterCountsView> {
    let filter = letters.filter(desk.now())?;
    desk.count_dead_letters(&queue, &filter).await.map(Reply)
}

/// What workers have measured, by job and queue.
#[utoipa::path(get, path = "/stats", tag = "site", params(Stats), responses(
    (status = 200, description = "The measurements.", body = List<StatsView>),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn stats(desk: Desk, Query(stats): Query<Stats>) -> Answer<List<StatsView>> {
    let query = stats.query(desk.now())?;
    desk.stats(&query).await.map(Reply)
}

/// How the place stands: findings, facts, hosts.
#[utoipa::path(get, path = "/health", tag = "site", responses(
    (status = 200, description = "What was found.", body = HealthView),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn health(desk: Desk) -> Reply<HealthView> {
    Reply(desk.health().await)
}

/// What operators did, newest first.
#[utoipa::path(get, path = "/operations", tag = "operations", params(Paging), responses(
    (status = 200, description = "A page of operations.", body = Page<OperationView>),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn operations(desk: Desk, Query(page): Query<Paging>) -> Answer<Page<OperationView>> {
    desk.operations(page.cursor(), page.limit()?).await.map(Reply)
}

/// One operation.
#[utoipa::path(get, path = "/operations/{id}", tag = "operations",
    params(("id" = String, Path, description = "Its id.")), responses(
    (status = 200, description = "The operation.", body = OperationView),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn operation(desk: Desk, Path(id): Path<String>) -> Answer<OperationView> {
    desk.operation(&id).await.map(Reply)
}
