//! Having transfers done, and telling how they ended.

use std::{collections::VecDeque, time::Duration};

use palabre_core::client::{ClientEvent, FileInfo, TransferEvent, TransferFailure, TransferId};

use super::{
    Showing,
    progress::{Meter, Progress},
    running::{Job, Running, resumable},
};
use crate::{
    failure::{ExitStatus, Failure},
    output::{Body, Printable},
    session::Session,
};

/// How often it is looked how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Transfers that are begun; others wait, so that thousands are no burden.
const RUNNING_MAX: usize = 64;

/// A transfer and how it is shown.
struct Metered {
    running: Running,
    meter: Meter,
}

/// Has all of them done.
pub(crate) fn run(session: &mut Session<'_>, jobs: Vec<Job>, showing: Showing) -> Result<(), Failure> {
    let several = jobs.len() > 1;
    let mut progress = Progress::new(showing, jobs.len(), session.now().monotonic);
    let (mut jobs, mut running) = (VecDeque::from(jobs), Vec::new());
    let (mut failures, mut done) = (Vec::new(), 0_usize);
    loop {
        while running.len() < RUNNING_MAX
            && let Some(job) = jobs.pop_front()
        {
            let begun = Running::begin(job, session.driver_mut())?;
            let start = begun.part.as_ref().map_or(0, |part| part.range.stretches().0);
            let meter = Meter::new(&begun.label, start, session.now().monotonic);
            running.push(Metered { running: begun, meter });
        }
        if running.is_empty() {
            break;
        }
        let until = session.now().monotonic.after(LOOK_EVERY);
        let event = match session.next_event(Some(until)) {
            Ok(event) => event,
            Err(failure) => {
                running.iter().for_each(|transfer| transfer.meter.clear());
                progress.clear();
                let begun = running.iter().filter_map(|transfer| transfer.running.held.as_ref());
                let waiting = jobs.iter().filter_map(|job| job.held.as_ref());
                return Err(resumable(failure, begun.chain(waiting)));
            }
        };
        if let Some(ClientEvent::Transfer(event)) = event {
            match take(session, &mut running, event, &progress) {
                Ok(true) => done += 1,
                Ok(false) => {}
                Err(failure) => {
                    if several {
                        progress.print(|| session.output().failure(&failure));
                    }
                    failures.push(failure);
                }
            }
        }
        let now = session.now().monotonic;
        let mut steps: Vec<_> =
            running.iter().map(|transfer| transfer.running.progress(session.driver())).collect();
        let meters = running
            .iter_mut()
            .zip(&mut steps)
            .filter_map(|(transfer, step)| step.take().map(|step| (&mut transfer.meter, step)));
        progress.show(meters, done, session.output(), now);
    }
    progress.clear();
    conclude(failures, done, several)
}

fn conclude(mut failures: Vec<Failure>, done: usize, several: bool) -> Result<(), Failure> {
    match (failures.pop(), several) {
        (None, _) => Ok(()),
        (Some(failure), false) => Err(failure),
        (Some(failure), true) => {
            let failed = failures.len() + 1;
            let worst = failures.iter().map(|failure| failure.status).chain([failure.status]).max();
            let status = if done > 0 { ExitStatus::Partial } else { worst.unwrap_or(ExitStatus::Other) };
            Err(Failure::new(
                status,
                "some-failed",
                format!("{failed} of {} transfers failed", failed + done),
            ))
        }
    }
}

/// Takes note of what happened to a transfer. Whether it is done.
fn take(
    session: &mut Session<'_>,
    running: &mut Vec<Metered>,
    event: TransferEvent,
    progress: &Progress,
) -> Result<bool, Failure> {
    let of = |running: &Vec<Metered>, id: TransferId| {
        running.iter().position(|transfer| transfer.running.id == id)
    };
    match event {
        TransferEvent::Begun { transfer, offset, .. } => {
            if let Some(index) = of(running, transfer)
                && let Some(sentence) = running[index].meter.went_on(offset)
            {
                progress.print(|| session.output().status(sentence));
            }
            Ok(false)
        }
        TransferEvent::Found { transfer, file } => {
            if let Some(index) = of(running, transfer) {
                running[index].running.found(&file)?;
            }
            Ok(false)
        }
        TransferEvent::Uploaded { transfer, file } | TransferEvent::Downloaded { transfer, file } => {
            let Some(index) = of(running, transfer) else { return Ok(false) };
            let Metered { running: transfer, meter } = running.remove(index);
            let now = session.now().monotonic;
            let end = transfer.part.as_ref().map_or(u64::MAX, |part| part.range.stretches().1);
            let summary = meter.summary(end.min(file.size), now);
            progress.print(|| tell_done(session, &transfer, &file, &summary))?;
            if let Err(error) = transfer.forget() {
                session.output().warning(format_args!("the transfer cannot be forgotten: {error}"));
            }
            Ok(true)
        }
        TransferEvent::Conflict { transfer, refusal } => {
            let Some(index) = of(running, transfer) else { return Ok(false) };
            if running[index].running.keep_both(session.driver_mut()) {
                return Ok(false);
            }
            let Metered { running: transfer, meter } = running.remove(index);
            meter.clear();
            if let Some(key) = transfer.give_up(session.driver_mut())? {
                session.discard_upload(key)?;
            }
            let mut failure = Failure::refused(&refusal);
            failure.sentence =
                format!("{} Say --force to replace it, --keep-both to keep both.", failure.sentence);
            Err(failure)
        }
        TransferEvent::Failed { transfer, failure } => {
            let Some(index) = of(running, transfer) else { return Ok(false) };
            let Metered { running: transfer, meter } = running.remove(index);
            meter.clear();
            Err(failed(session, transfer, &failure))
        }
    }
}

fn tell_done(
    session: &mut Session<'_>,
    transfer: &Running,
    file: &FileInfo,
    summary: &str,
) -> Result<(), Failure> {
    session.output().status(summary);
    let path = transfer.path.as_ref().map(|path| path.display().to_string());
    let remote = format!("{}{}", transfer.place, file.name);
    match (transfer.is_upload(), &path) {
        (false, None) => Ok(()),
        (true, _) => session
            .output()
            .result(Body::transferred(&transfer.place, file, None, None), Printable::new(&remote)),
        (false, Some(path)) => {
            let range = transfer.part.as_ref().map(|part| part.range.to_string());
            let body = Body::transferred(&transfer.place, file, Some(path), range);
            session.output().result(body, Printable::new(path))
        }
    }
}

fn failed(session: &mut Session<'_>, transfer: Running, failure: &TransferFailure) -> Failure {
    let (failure, keep) = transfer.explain(failure);
    if keep {
        return resumable(failure, transfer.held.iter());
    }
    if let Err(error) = transfer.abandon() {
        session.output().warning(format_args!("the transfer cannot be forgotten: {error}"));
    }
    failure
}
