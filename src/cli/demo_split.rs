//! The last part of `pgcleave demo --split`: orders moves to a database of its own, and back, while it is written to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pgcleave::error::Verdict;
use pgcleave::ident::Ident;
use pgcleave::manifest::service::Project;
use pgcleave::pg::connect::Target;
use pgcleave::pg::error::Error;
use pgcleave::pg::exec;
use pgcleave::pg::session::SessionKind;
use pgcleave::report;
use pgcleave::split::state::Split;
use pgcleave::split::{Between, check, start, status, turn};
use pgcleave::sql;
use pgcleave::sql::Literal;

use super::context::Context;
use super::failure::Failure;
use super::own_server::make_database;

/// The service that moves.
const SERVICE: &str = "orders";

/// How long writes go on between two steps, in milliseconds.
const BETWEEN_MILLIS: u64 = 500;

/// What the writer knows: it believes nothing but acknowledged commits.
struct Book {
    acknowledged: BTreeSet<u32>,
    refused: usize,
    longest_gap: Duration,
}

/// Moves it and tells of it.
pub(crate) async fn story(context: &Context, admin: &Target, project: &Project) -> Result<Verdict, Failure> {
    let own = "orders_own";
    make_database(admin, own).await?;
    let schema = Ident::new(SERVICE).expect("our own names are names");
    let (source, target) = (admin.with_database("shop"), admin.with_database(own));
    let between = Between {
        service: SERVICE.to_owned(),
        schema,
        source,
        target,
        source_from_target: None,
        target_from_source: None,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let sides = [between.source.clone(), between.target.clone()];
    let writing = tokio::spawn(write(sides, Arc::clone(&stop)));
    let moved = there_and_back(context, &between, project).await;
    stop.store(true, Ordering::SeqCst);
    let book = writing.await.expect("the writer does not panic");
    moved?;
    let (lost, strange) = compare(&between.target, &book).await?;
    context.answer(&format!(
        "{} commits were acknowledged meanwhile; lost: {lost}, never acknowledged but there: {strange}\n\
         longest time between two of them: {} ms; {} times the old side told the writer to go to the other\n",
        book.acknowledged.len(),
        book.longest_gap.as_millis(),
        book.refused
    ));
    // A commit whose answer was lost may be there.
    Ok(if lost == 0 { Verdict::Done } else { Verdict::Failed })
}

async fn there_and_back(context: &Context, between: &Between, project: &Project) -> Result<(), Failure> {
    let listener = |event| context.tell(&event);
    let pause = || tokio::time::sleep(Duration::from_millis(BETWEEN_MILLIS));
    let options = start::Options {
        jobs: 2,
        max_bytes_per_second: None,
        lock_seconds: 30,
        max_wal_bytes: None,
        known: check::Known::default(),
        interrupt: context.interrupt.clone(),
    };
    let tell = |split: &Split| context.answer(&report::split::human(&status::of(split)));
    tell(&start::start(between, Some(project), &options, &listener).await?);
    pause().await;
    let options = turn::Options {
        max_pause_millis: 2000,
        wait_seconds: 60,
        poolers: Vec::new(),
        command: None,
        command_seconds: 60,
        jobs: 2,
        refresh: false,
        interrupt: context.interrupt.clone(),
    };
    tell(&turn::cutover(between, &options, &listener).await?);
    pause().await;
    tell(&turn::rollback(between, &options, &listener).await?);
    pause().await;
    tell(&turn::cutover(between, &options, &listener).await?);
    pause().await;
    Ok(())
}

/// Writes one order after the other; when a side refuses, it goes to the other one.
async fn write(sides: [Target; 2], stop: Arc<AtomicBool>) -> Book {
    let mut book = Book { acknowledged: BTreeSet::new(), refused: 0, longest_gap: Duration::ZERO };
    let (mut side, mut connection, mut number, mut last) = (0, None, 0, None::<Instant>);
    while !stop.load(Ordering::SeqCst) {
        let mut session = match connection.take() {
            Some(session) => session,
            None => match sides[side].connect(SessionKind::Tested, "pgcleave demo, a client").await {
                // The triggers of the shop look for their tables in the service's own search path.
                Ok(mut session) => {
                    match exec::batch(&mut session, "be a client", &sql!("set search_path = orders")).await {
                        Ok(()) => session,
                        Err(_) => continue,
                    }
                }
                Err(_) => continue,
            },
        };
        number += 1;
        let id = order_id(number);
        let order = sql!(
            "insert into orders.purchase_order (id, account_id) values (",
            Literal(&id),
            ", '00000000-0000-4000-8000-000000000000')"
        );
        match exec::batch(&mut session, "write an order", &order).await {
            Ok(()) => {
                book.acknowledged.insert(number);
                let gap = last.map_or(Duration::ZERO, |last| last.elapsed());
                book.longest_gap = book.longest_gap.max(gap);
                last = Some(Instant::now());
                connection = Some(session);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            // What the old side answers once it is closed.
            Err(error) if error.sqlstate() == Some("25006") => {
                book.refused += 1;
                side = 1 - side;
            }
            Err(_) => {}
        }
    }
    book
}

fn order_id(number: u32) -> String {
    format!("0de00000-0000-4000-8000-{number:012}")
}

async fn compare(target: &Target, book: &Book) -> Result<(usize, usize), Failure> {
    let mut connection = target.connect(SessionKind::Administrator, "pgcleave demo").await?;
    let ids: Vec<String> =
        sqlx::query_scalar("select id::text from orders.purchase_order where id::text like '0de00000-%' order by 1")
            .fetch_all(&mut connection)
            .await
            .map_err(|error| Error::new("compare the writer's book", &error))?;
    let known: BTreeSet<String> = book.acknowledged.iter().map(|number| order_id(*number)).collect();
    let found: BTreeSet<String> = ids.into_iter().collect();
    Ok((known.difference(&found).count(), found.difference(&known).count()))
}
