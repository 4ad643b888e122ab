//! The provider of one machine: functions are processes, limits are control groups, and the state is a folder.

mod open;
mod pace;
mod platform;
mod replica;
mod sandbox;
mod usage;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::api::{FunctionDeployment, FunctionName, LogQuery, Secret, Usage};
use crate::logs::instance;
use crate::store::{OpenError, StoredFunction};
use crate::{LogStream, Options, Provider, ProviderError, Replicas, processes, validate};
use platform::{Function, Platform, Stop};

/// Runs functions on this machine.
///
/// It ends with [`Provider::shut_down`], which lets calls finish. Dropped without that, it kills what it started, and
/// waits for that. A process that dies without either leaves its functions to the kernel, which tells each watchdog,
/// and to the next [`Embedded::open`] of the same state folder, which ends what is left before anything new starts.
#[derive(Debug)]
pub struct Embedded {
    platform: Arc<Platform>,
}

impl Embedded {
    /// Takes hold of the state folder, cleans up after a crash, and brings the functions back, without replicas.
    ///
    /// Replicas run on the tokio runtime in which [`Provider::start`] is called.
    pub async fn open(options: Options) -> Result<Embedded, OpenError> {
        let opened = tokio::task::spawn_blocking(move || open::open(options)).await;
        let platform = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let embedded = Embedded { platform: Arc::new(platform) };
        let platform = &embedded.platform;
        if let Some(emulation) = &platform.options.emulation
            && platform.cgroups.has("cpu")
        {
            let folder = platform.store.root().to_path_buf();
            pace::start(platform, emulation.period).map_err(|source| OpenError::Io { path: folder, source })?;
        }
        Ok(embedded)
    }

    /// Runs `change` on the state folder, outside of the runtime's threads and one at a time.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Platform) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let platform = Arc::clone(&self.platform);
        // The guard goes along: a caller that gives up does not let the next change overtake this one.
        let turn = Arc::clone(&platform.changes).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let refused = || ProviderError::Refused("the platform is shutting down".to_owned());
            platform.unless_swept(|| change(&platform)).ok_or_else(refused)?
        });
        done.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

fn failed(error: impl std::fmt::Display) -> ProviderError {
    ProviderError::Failed(format!("the state folder cannot be written: {error}"))
}

#[async_trait]
impl Provider for Embedded {
    fn name(&self) -> &'static str {
        "faas-lab"
    }

    async fn deploy(&self, deployment: FunctionDeployment) -> Result<(), ProviderError> {
        self.change(|platform| {
            let (name, deployment, launch) = platform.examine(deployment)?;
            let (count, exists) = {
                let state = platform.state();
                (state.functions.len(), state.functions.contains_key(&name))
            };
            if exists {
                return Err(ProviderError::Exists(name.name));
            }
            let most = platform.options.bounds.functions;
            if count >= most {
                return Err(ProviderError::Refused(format!("{most} functions are deployed, which is the most here")));
            }
            let stored = StoredFunction { deployment, created_at: jiff::Timestamp::now(), generation: 1 };
            platform.store.put_function(&name, &stored).map_err(failed)?;
            let function = Function::new(&name, stored, Ok(launch), &platform.options.bounds);
            platform.add(name, function);
            Ok(())
        })
        .await
    }

    async fn update(&self, deployment: FunctionDeployment) -> Result<(), ProviderError> {
        self.change(|platform| {
            // An unknown function is told before all else: clients then deploy it.
            let name = FunctionName {
                namespace: validate::namespace(&deployment.namespace)?,
                name: deployment.service.clone(),
            };
            let known = platform.state().functions.get(&name).map(|f| (f.created_at, f.generation));
            let Some((created_at, generation)) = known else {
                return Err(ProviderError::Unknown(name.name));
            };
            let (_, deployment, launch) = platform.examine(deployment)?;
            let stored = StoredFunction { deployment, created_at, generation: generation + 1 };
            platform.store.put_function(&name, &stored).map_err(failed)?;
            platform.change(&name, |function| function.replace(stored, launch));
            Ok(())
        })
        .await
    }

    async fn remove(&self, function: &FunctionName) -> Result<(), ProviderError> {
        let name = function.clone();
        let seats = self
            .change(move |platform| {
                if !platform.state().functions.contains_key(&name) {
                    return Err(ProviderError::Unknown(name.name));
                }
                platform.store.remove_function(&name).map_err(failed)?;
                Ok(platform.take(&name))
            })
            .await?;
        for seat in &seats {
            seat.stop(Stop::Gracefully);
        }
        for seat in seats {
            seat.ended().await;
        }
        Ok(())
    }

    fn watch(&self) -> watch::Receiver<Arc<Replicas>> {
        self.platform.visible.subscribe()
    }

    async fn start(&self, function: &FunctionName, count: u32) -> Result<(), ProviderError> {
        for seated in self.platform.reserve(function, count)? {
            tokio::spawn(replica::run(Arc::clone(&self.platform), seated));
        }
        Ok(())
    }

    async fn retire(&self, function: &FunctionName, replica: u64) -> Result<(), ProviderError> {
        let state = self.platform.state();
        let found = state.functions.get(function).ok_or_else(|| ProviderError::Unknown(function.name.clone()))?;
        let seat = found.seats.get(&replica).ok_or_else(|| ProviderError::Unknown(instance(function, replica)))?;
        seat.stop(Stop::Gracefully);
        Ok(())
    }

    async fn usage(&self, function: &FunctionName) -> Result<Usage, ProviderError> {
        usage::of(&self.platform, function).await
    }

    async fn logs(&self, query: LogQuery) -> Result<LogStream, ProviderError> {
        let state = self.platform.state();
        let found = state.functions.get(&query.function);
        let logs = Arc::clone(&found.ok_or_else(|| ProviderError::Unknown(query.function.name.clone()))?.logs);
        drop(state);
        Ok(logs.stream(&query))
    }

    async fn namespaces(&self) -> Result<Vec<String>, ProviderError> {
        self.change(|platform| platform.store.namespaces().map_err(failed)).await
    }

    async fn secrets(&self, namespace: &str) -> Result<Vec<String>, ProviderError> {
        let namespace = validate::namespace(namespace)?;
        self.change(move |platform| platform.store.secrets(&namespace).map_err(failed)).await
    }

    async fn create_secret(&self, secret: Secret) -> Result<(), ProviderError> {
        self.change(move |platform| {
            let (namespace, value) = platform.examine_secret(&secret)?;
            if platform.store.secret_file(&namespace, &secret.name).exists() {
                return Err(ProviderError::Exists(format!("secret {}", secret.name)));
            }
            let most = platform.options.bounds.secrets;
            let mut count = 0;
            for namespace in platform.store.namespaces().map_err(failed)? {
                count += platform.store.secrets(&namespace).map_err(failed)?.len();
            }
            if count >= most {
                return Err(ProviderError::Refused(format!("there are {most} secrets, which is the most here")));
            }
            platform.store.put_secret(&namespace, &secret.name, &value).map_err(failed)
        })
        .await
    }

    async fn update_secret(&self, secret: Secret) -> Result<(), ProviderError> {
        self.change(move |platform| {
            let (namespace, value) = platform.examine_secret(&secret)?;
            if !platform.store.secret_file(&namespace, &secret.name).exists() {
                return Err(ProviderError::Unknown(format!("secret {}", secret.name)));
            }
            platform.store.put_secret(&namespace, &secret.name, &value).map_err(failed)
        })
        .await
    }

    async fn remove_secret(&self, namespace: &str, name: &str) -> Result<(), ProviderError> {
        let namespace = validate::namespace(namespace)?;
        validate::secret_name(name)?;
        let name = name.to_owned();
        self.change(move |platform| {
            if !platform.store.secret_file(&namespace, &name).exists() {
                return Err(ProviderError::Unknown(format!("secret {name}")));
            }
            platform.store.remove_secret(&namespace, &name).map_err(failed)
        })
        .await
    }

    async fn shut_down(&self) {
        self.platform.closing.store(true, Ordering::SeqCst);
        self.platform.stop_all.send_replace(Some(Stop::Gracefully));
        let mut alive = self.platform.alive.subscribe();
        // The sender is in the platform, which is held here: waiting cannot fail.
        let _ = alive.wait_for(|&replicas| replicas == 0).await;
        let platform = Arc::clone(&self.platform);
        let swept = tokio::task::spawn_blocking(move || platform.sweep()).await;
        swept.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.platform.closing.store(true, Ordering::SeqCst);
        self.platform.stop_all.send_replace(Some(Stop::AtOnce));
        self.platform.sweep();
    }
}

impl Platform {
    /// Checks a deployment against the images, the secrets and the emulated machine.
    fn examine(
        &self,
        deployment: FunctionDeployment,
    ) -> Result<(FunctionName, FunctionDeployment, Arc<crate::launch::Launch>), ProviderError> {
        let invalid = |text: String| ProviderError::Invalid(format!("validation failed: {text}"));
        let (name, deployment) = validate::deployment(deployment)?;
        for secret in &deployment.secrets {
            if !self.store.secret_file(&name.namespace, secret).exists() {
                return Err(ProviderError::Invalid(format!("unable to fetch secrets: secret \"{secret}\" not found")));
            }
        }
        let launch = self.launch(&deployment).map_err(invalid)?;
        Ok((name, deployment, Arc::new(launch)))
    }

    fn examine_secret(&self, secret: &Secret) -> Result<(String, Vec<u8>), ProviderError> {
        validate::secret_name(&secret.name)?;
        let namespace = validate::namespace(&secret.namespace)?;
        Ok((namespace, validate::secret_value(secret, self.options.bounds.secret_bytes)?))
    }

    /// Kills whatever still carries this platform's mark and removes groups and sockets. Nothing starts afterwards.
    fn sweep(&self) {
        self.spawner.close();
        let mut swept = self.swept.write().expect("no thread panics while it holds this lock");
        if std::mem::replace(&mut *swept, true) {
            return;
        }
        self.cgroups.platform().clear();
        processes::kill_marked(&[(processes::PLATFORM_VARIABLE, &self.store.platform)]);
        if let Err(error) = std::fs::remove_dir_all(&self.runtime) {
            (self.options.on_notice)(&format!("{} is left behind: {error}", self.runtime.display()));
        }
        self.store.release();
    }
}

/// A stored moment as the contract has it.
fn system_time(at: jiff::Timestamp) -> SystemTime {
    SystemTime::from(at)
}
