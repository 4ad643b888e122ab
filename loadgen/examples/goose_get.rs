//! Goose's own closed loop, to compare with: `goose_get URL USERS SECONDS` prints requests per second and how many failed, below what Goose prints.

use std::sync::Arc;
use std::time::{Duration, Instant};

use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::prelude::*;

async fn call(user: &mut GooseUser) -> TransactionResult {
    let answer = user.get("").await?;
    if let Ok(answer) = answer.response {
        let _ = answer.bytes().await;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, users, seconds] = words.as_slice() else { return Err("URL USERS SECONDS".into()) };
    let mut configuration = GooseConfiguration::parse_args_default::<&str>(&[])?;
    configuration.host = Some(url.clone());
    configuration.users = Some(users.parse()?);
    configuration.increase_rate = Some("20000".to_owned());
    configuration.run_time = Some(format!("{seconds}s"));
    configuration.quiet = 3;
    configuration.no_telnet = true;
    configuration.no_print_metrics = true;
    configuration.no_reset_metrics = true;
    let job: TransactionFunction = Arc::new(|user| Box::pin(call(user)));
    let began = Instant::now();
    let metrics = GooseAttack::initialize_with_config(configuration)?
        .set_client_builder_without_cookies(GooseClientBuilder::new().without_cookies())?
        .register_scenario(Scenario::new("get").register_transaction(Transaction::new(job)))
        .execute()
        .await?;
    let count: usize = metrics.requests.values().map(|request| request.raw_data.counter).sum();
    let failed: usize = metrics.requests.values().map(|request| request.fail_count).sum();
    // Goose stops within half a second of the time it is given.
    let took = Duration::from_secs(seconds.parse()?).max(began.elapsed());
    println!("{:.0} {failed}", count as f64 / took.as_secs_f64());
    Ok(())
}
