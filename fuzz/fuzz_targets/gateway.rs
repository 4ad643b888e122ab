//! What clients send to a gateway before it is a call: the request line's path, a deployment and its labels.
//!
//! The first line is a method and a path, the rest a deployment.

#![no_main]

use faas_lab_gateway::{Cleaned, Route, Settings, clean, encode};
use faas_lab_provider::api::{FunctionDeployment, FunctionName};
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    match clean(path) {
        Cleaned::Garbage => {}
        Cleaned::Path(path) => {
            // What is passed on means the same, and can be put into a request line.
            let encoded = encode(&path);
            assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(clean(&encoded), Cleaned::Path(path.clone()));
            if let Ok(Route::Invoke(target) | Route::InvokeLater(target)) = Route::find(&method, &path) {
                assert!(!target.function.contains('/') && (target.path.is_empty() || target.path.starts_with('/')));
                let _ = FunctionName::parse(target.function);
            }
        }
        Cleaned::Elsewhere(straight) => {
            assert!(straight.starts_with('/') && !straight.starts_with("//"));
            assert!(matches!(clean(&straight), Cleaned::Path(_)));
        }
    }
    if let Ok(deployment) = serde_json::from_str::<FunctionDeployment>(rest) {
        if let Err(why) = Settings::read(&deployment, "rps") {
            assert!(!why.is_empty());
        }
    }
});
