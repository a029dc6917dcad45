//! What this pod says about itself to the operator, and who waits for news of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use moat_crds::delivery::{ListenerReport, Manifest, Report, ReportProblem, SCHEMAS};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::net::worker::Hub;
use crate::status::Status;

/// What a problem is about. The first in order is the one that is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Newer policy that is not taken.
    Policy,
    /// The last good policy that is not kept.
    Volume,
}

/// The report, kept current.
pub(super) struct Reports {
    unjudged: Box<dyn Fn() -> u64 + Send + Sync>,
    status: Arc<Status>,
    problems: Mutex<[Option<ReportProblem>; 2]>,
    current: watch::Sender<Report>,
}

impl Reports {
    /// The report of a process in which `unjudged` counts the sessions that wait for their judgement.
    pub(super) fn new(status: Arc<Status>, unjudged: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        // Versions of an earlier boot are lower, so that who waits for news of that one gets the news of this one.
        let version = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let report = Report {
            version: u64::try_from(version).unwrap_or_default(),
            boot_id: format!("{:032x}", rand::random::<u128>()),
            schemas: SCHEMAS,
            cluster: None,
            generation: None,
            digest: None,
            pending: 0,
            listeners: Vec::new(),
            problem: None,
        };
        Self {
            unjudged: Box::new(unjudged),
            status,
            problems: Mutex::default(),
            current: watch::Sender::new(report),
        }
    }

    /// Tells that a manifest is in force, with what became of its listeners.
    pub(super) fn in_force(&self, manifest: &Manifest, listeners: Vec<ListenerReport>) {
        self.status.generation_in_force(manifest.generation);
        self.update(|report| {
            report.cluster = Some(manifest.cluster.clone());
            report.generation = Some(manifest.generation);
            report.digest = Some(manifest.digest);
            report.listeners = listeners;
        });
    }

    /// Sets or clears a problem. True if that is news: another reason, or another message about the manifest in hand.
    pub(super) fn problem(&self, about: About, problem: Option<ReportProblem>) -> bool {
        let mut problems = self.problems.lock();
        let known = &mut problems[about as usize];
        // How exactly the API server cannot be reached changes from attempt to attempt.
        let same = match (&*known, &problem) {
            (Some(known), Some(problem)) => {
                known == problem || (known.reason == problem.reason && known.reason.starts_with("Api"))
            }
            (None, None) => true,
            _ => false,
        };
        if same {
            return false;
        }
        *known = problem;
        let first = problems.iter().flatten().next().cloned();
        self.status.problem(problems[About::Policy as usize].as_ref().map(|problem| problem.message.clone()));
        drop(problems);
        self.update(|report| report.problem = first);
        true
    }

    /// Counts anew who waits for a judgement, whenever a core is through.
    pub(super) async fn follow(&self, hub: &Hub) {
        loop {
            hub.judged.notified().await;
            self.update(|_| ());
        }
    }

    /// The report, as soon as its version is another than `after`, or else after `wait`.
    pub(super) async fn after(&self, after: Option<u64>, wait: Duration) -> Report {
        let mut current = self.current.subscribe();
        let news = current.wait_for(|report| Some(report.version) != after);
        // Whether it is news or the wait is over: what is current is the answer. The sender lives as long as this.
        let _ = tokio::time::timeout(wait, news).await;
        self.current.borrow().clone()
    }

    fn update(&self, change: impl FnOnce(&mut Report)) {
        self.current.send_if_modified(|report| {
            let mut next = report.clone();
            change(&mut next);
            next.pending = (self.unjudged)();
            let news = next != *report;
            if news {
                next.version += 1;
                *report = next;
            }
            news
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn problem(reason: &str, message: &str) -> Option<ReportProblem> {
        Some(ReportProblem { reason: reason.to_owned(), message: message.to_owned() })
    }

    fn version(reports: &Reports) -> u64 {
        reports.current.borrow().version
    }

    #[test]
    fn only_news_raise_the_version_and_the_policy_speaks_before_the_volume() {
        let reports = Reports::new(Arc::default(), || 0);
        let begin = version(&reports);
        reports.update(|_| ());
        assert_eq!(version(&reports), begin);
        assert!(reports.problem(About::Volume, problem("VolumeUnwritable", "full")));
        assert!(reports.problem(About::Policy, problem("ApiUnreachable", "refused")));
        assert_eq!(version(&reports), begin + 2);
        assert!(!reports.problem(About::Policy, problem("ApiUnreachable", "no answer")));
        assert_eq!(reports.current.borrow().problem, problem("ApiUnreachable", "refused"));
        assert!(reports.problem(About::Policy, None));
        assert_eq!(reports.current.borrow().problem, problem("VolumeUnwritable", "full"));
        assert!(reports.problem(About::Volume, None));
        assert!(!reports.problem(About::Volume, None));
        assert_eq!((version(&reports), reports.current.borrow().problem.clone()), (begin + 4, None));
    }

    #[tokio::test]
    async fn who_waits_hears_that_the_last_session_was_judged() {
        let unjudged = Arc::new(AtomicU64::new(3));
        let count = Arc::clone(&unjudged);
        let reports = Arc::new(Reports::new(Arc::default(), move || count.load(Ordering::Relaxed)));
        reports.update(|report| report.generation = Some(7));
        let first = reports.after(None, Duration::ZERO).await;
        assert_eq!((first.generation, first.pending), (Some(7), 3));
        let waiting = Arc::clone(&reports);
        let second =
            tokio::spawn(async move { waiting.after(Some(first.version), Duration::from_secs(60)).await });
        unjudged.store(0, Ordering::Relaxed);
        reports.update(|_| ());
        let second = second.await.unwrap();
        assert_eq!((second.pending, second.version), (0, first.version + 1));
        let third = reports.after(Some(second.version), Duration::from_millis(10)).await;
        assert_eq!(third, second);
    }
}
