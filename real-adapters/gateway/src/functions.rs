//! All functions: found by name on the way of each call, kept in step with the provider.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use faas_lab_provider::api::{DEFAULT_NAMESPACE, FunctionDeployment, FunctionName};
use faas_lab_provider::{Deployed, Provider};
use faas_lab_queue::{FunctionSettings, Queue};
use tokio::task::AbortHandle;

use crate::decisions::Decisions;
use crate::function::Function;
use crate::labels::Settings;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::scaler::Surroundings;

/// All functions.
pub(crate) struct Functions {
    /// By every way to write their names.
    index: ArcSwap<HashMap<String, Arc<Function>>>,
    live: Mutex<Live>,
    pub(crate) metrics: Metrics,
    around: Surroundings,
    default_policy: String,
    limits: crate::options::Limits,
}

#[derive(Default)]
struct Live {
    functions: BTreeMap<FunctionName, Entry>,
    /// Those that the provider is removing: what it still shows of them does not count.
    leaving: BTreeSet<FunctionName>,
}

struct Entry {
    function: Arc<Function>,
    /// What the provider last said of it.
    shown: Deployed,
    reconciler: AbortHandle,
    scaler: AbortHandle,
}

impl Functions {
    pub(crate) fn new(
        options: &Options,
        provider: Arc<dyn Provider>,
        queue: Option<Arc<dyn Queue>>,
        decisions: Option<Arc<Decisions>>,
    ) -> Functions {
        Functions {
            index: ArcSwap::default(),
            live: Mutex::default(),
            metrics: Metrics::new(),
            around: Surroundings { provider, queue, decisions },
            default_policy: options.default_policy.clone(),
            limits: options.limits,
        }
    }

    /// A function by `name` or `name.namespace`.
    #[inline]
    pub(crate) fn get(&self, written: &str) -> Option<Arc<Function>> {
        self.index.load().get(written).cloned()
    }

    /// Every function with its deployment and when it was created, sorted by name within namespaces.
    pub(crate) fn list(&self) -> Vec<(Arc<Function>, Arc<FunctionDeployment>, SystemTime)> {
        let entry = |entry: &Entry| (entry.function.clone(), entry.shown.deployment.clone(), entry.shown.created_at);
        self.lock().functions.values().map(entry).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().functions.len()
    }

    /// Reads a deployment's labels as a function of this gateway would.
    fn settings(&self, deployment: &FunctionDeployment) -> Result<Settings, String> {
        Settings::read(deployment, &self.default_policy)
    }

    /// Follows the provider's news until it is dropped.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut news = self.around.provider.watch();
        loop {
            self.sync();
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    /// Takes over what the provider shows now.
    pub(crate) fn sync(&self) {
        let mut live = self.lock();
        let shown = self.around.provider.watch().borrow().clone();
        let Live { functions, leaving } = &mut *live;
        let mut changed = false;
        functions.retain(|name, entry| {
            let same = |deployed: &Deployed| deployed.created_at == entry.shown.created_at;
            let stays = shown.get(name).is_some_and(same) && !leaving.contains(name);
            if !stays {
                self.end(entry);
                changed = true;
            }
            stays
        });
        for (name, deployed) in shown.iter().filter(|(name, _)| !leaving.contains(*name)) {
            match functions.get_mut(name) {
                Some(entry) => self.update(entry, deployed),
                None => {
                    functions.insert(name.clone(), self.begin(name, deployed));
                    changed = true;
                }
            }
        }
        if changed {
            let index = functions.values().flat_map(|entry| names(&entry.function)).collect();
            self.index.store(Arc::new(index));
        }
    }

    /// The provider begins to remove a function: it is gone for callers at once.
    pub(crate) fn forget(&self, name: &FunctionName) {
        self.lock().leaving.insert(name.clone());
        self.sync();
    }

    /// The provider has ended the removal.
    pub(crate) fn forgotten(&self, name: &FunctionName) {
        self.lock().leaving.remove(name);
        self.sync();
    }

    fn begin(&self, name: &FunctionName, deployed: &Deployed) -> Entry {
        let settings = self.settings(&deployed.deployment).unwrap_or_else(|why| {
            // Only one that was deployed by another version can have labels that this one does not take.
            eprintln!("{name}: scaled by the default policy: {why}");
            let unlabelled = FunctionDeployment { labels: BTreeMap::new(), ..(*deployed.deployment).clone() };
            self.settings(&unlabelled).expect("a deployment without labels can be read")
        });
        complain(name, &deployed.deployment);
        self.metrics.set_target(&name.to_string(), settings.target_load());
        let metrics = self.metrics.function(&name.to_string());
        let function = Arc::new(Function::new(name.clone(), settings, deployed.generation, metrics, self.limits));
        function.observe(deployed, deployed.generation);
        let reconciler = tokio::spawn(function.clone().reconcile(self.around.provider.clone())).abort_handle();
        let scaler = self.ask_policies(&function, &deployed.deployment);
        Entry { function, shown: deployed.clone(), reconciler, scaler }
    }

    fn update(&self, entry: &mut Entry, deployed: &Deployed) {
        // News are mostly of others.
        if entry.shown == *deployed {
            return;
        }
        if entry.shown.deployment != deployed.deployment
            && let Ok(settings) = self.settings(&deployed.deployment)
            && *entry.function.lock().settings != settings
        {
            self.metrics.set_target(&entry.function.label, settings.target_load());
            entry.function.set_settings(settings);
            entry.scaler.abort();
            entry.scaler = self.ask_policies(&entry.function, &deployed.deployment);
        }
        if entry.shown.deployment.annotations != deployed.deployment.annotations {
            complain(&entry.function.name, &deployed.deployment);
        }
        entry.shown = deployed.clone();
        entry.function.observe(deployed, deployed.generation);
    }

    fn ask_policies(&self, function: &Arc<Function>, deployment: &FunctionDeployment) -> AbortHandle {
        if let Some(decisions) = &self.around.decisions {
            decisions.begin(&function.label, &self.default_policy, deployment);
        }
        tokio::spawn(function.clone().scale(self.around.clone())).abort_handle()
    }

    fn end(&self, entry: &Entry) {
        entry.reconciler.abort();
        entry.scaler.abort();
        entry.function.end();
        self.metrics.forget(&entry.function.metrics);
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().expect("nobody panics while the list of functions is locked")
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        for entry in self.lock().functions.values() {
            entry.reconciler.abort();
            entry.scaler.abort();
        }
    }
}

/// Says which annotations about asynchronous invocations make no sense; the defaults hold then, as in the original.
fn complain(name: &FunctionName, deployment: &FunctionDeployment) {
    let (_, problems) = FunctionSettings::from_annotations(&deployment.annotations, &FunctionSettings::default());
    for problem in problems {
        eprintln!("{name}: annotation {problem}");
    }
}

/// The ways to write a function's name.
fn names(function: &Arc<Function>) -> impl Iterator<Item = (String, Arc<Function>)> {
    let short = (function.name.namespace == DEFAULT_NAMESPACE).then(|| function.name.name.clone());
    short.into_iter().chain([function.label.clone()]).map(|name| (name, function.clone()))
}
