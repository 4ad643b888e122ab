use proptest::prelude::*;

use super::*;

fn times(text: &str) -> Vec<f64> {
    read("log", text).unwrap().requests.iter().map(|request| request.response).collect()
}

#[test]
fn our_own_requests() {
    let text = "id,workload,function,arrived_seconds,ended_seconds,outcome,hop,status,attempts,cold,waiting_seconds,service_seconds,replica,body_bytes\n\
        0,w,f,1.5,3.5,ok,,200,1,true,0.5,1.5,7,12\n1,w,f,1,1.25,timed-out,gateway,504,1,false,0,0.25,,0\n";
    let log = read("requests.csv", text).unwrap();
    assert_eq!(log.format, Format::Requests);
    // In order of arrival, from the first.
    assert_eq!(log.arrivals().unwrap(), [0.0, 0.5]);
    assert_eq!(
        log.requests[1],
        Request {
            arrived: Some(0.5),
            response: 2.0,
            service: Some(1.5),
            ok: true,
            cold: Some(true),
            replica: Some("7".into()),
            first_byte: None,
        }
    );
    assert!(!log.requests[0].ok && log.has_replicas());
    assert!(log.remarks[0].contains("`workload`"), "{:?}", log.remarks);
    assert_eq!(log.times(Which::Cold).unwrap().n(), 1);
    assert!(log.times(Which::Warm).is_err());
}

#[test]
fn request_logs_with_instances() {
    let text = ",is_cold,exist_id,aws_duration,client_start_time,client_end_time\n\
        0,True,a-1,1800.5,1587650005.5,1587650008.0\n1,False,a-1,1700,1587650015.5,1587650017.25\n";
    let log = read("aws.csv", text).unwrap();
    assert_eq!(log.arrivals().unwrap(), [0.0, 10.0]);
    assert_eq!((log.requests[0].cold, log.requests[0].service), (Some(true), Some(1.8005)));
    assert_eq!(log.requests[1].response, 1.75);
    assert!(log.has_replicas());
}

#[test]
fn the_output_of_load_testers() {
    let hey = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset\n\
        0.25,0.02,0.001,0,0.2,0.0002,200,1.0\n0.5,0.02,0.001,0,0.4,0.0002,500,0.5\n";
    let log = read("hey.csv", hey).unwrap();
    assert_eq!((log.format, log.requests[0].ok, log.requests[1].response), (Format::Hey, false, 0.25));
    let oha = "request-start,DNS,DNS+dialup,Response-delay,request-duration,bytes,status\n0.1,0,0,0.2,0.3,12,200\n";
    assert_eq!((read("oha.csv", oha).unwrap().format, times(oha)), (Format::Oha, vec![0.3]));
    let oha = r#"{ "summary": {}, "responseTimeHistogram": { "0.1": 1, "0.2": 5, "0.05": 2 } }"#;
    assert_eq!(read("oha.json", oha).unwrap().buckets, [(0.0, 0.05, 2), (0.05, 0.1, 1), (0.1, 0.2, 5)]);
    let k6 = "metric_name,timestamp,metric_value,check,error,error_code,group,method,name,proto,scenario,status\n\
        http_reqs,1595325560,1.0,,,,,GET,u,HTTP/1.1,default,200\nhttp_req_duration,1595325560,221.5,,,,,GET,u,HTTP/1.1,default,200\n";
    assert_eq!(times(k6), [0.2215]);
    let k6 = "{\"type\":\"Metric\",\"data\":{\"type\":\"gauge\"},\"metric\":\"vus\"}\n\
        {\"type\":\"Point\",\"data\":{\"time\":\"2017-05-09T14:34:45.5+02:00\",\"value\":500.0,\"tags\":{\"status\":\"200\"}},\"metric\":\"http_req_duration\"}\n";
    assert_eq!(times(k6), [0.5]);
}

#[test]
fn histograms_of_prometheus() {
    let text = "# HELP t Time\n# TYPE t histogram\nt_bucket{f=\"a\",le=\"0.1\"} 2\nt_bucket{f=\"a\",le=\"1\"} 5\nt_bucket{f=\"a\",le=\"+Inf\"} 6\n\
        t_bucket{f=\"b\",le=\"0.1\"} 1\nt_bucket{f=\"b\",le=\"1\"} 1\nt_bucket{f=\"b\",le=\"+Inf\"} 1\nt_sum{f=\"a\"} 3\nt_count{f=\"a\"} 6\n";
    let log = read("metrics", text).unwrap();
    assert_eq!(log.buckets, [(0.0, 0.1, 3), (0.1, 1.0, 3), (1.0, f64::INFINITY, 1)]);
    assert_eq!(log.times(Which::All).unwrap().n(), 7);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let says = |text: &str| read("log", text).unwrap_err().to_string();
    assert!(says("").contains("no requests"));
    assert!(says("a,b\n1,2\n").contains("no column for the response time"));
    assert!(says("response-time,offset\n0.5,1\nfast,2\n").starts_with("log:3:1: \"fast\" is not a number"));
    assert!(
        says("arrived_seconds,ended_seconds,cold\n0,1,maybe\n").starts_with("log:2:3: \"maybe\" is not true or false")
    );
    assert!(says("t_bucket{le=\"x\"} 3\n").starts_with("log:1:1"));
    assert!(says("{\"type\":\"Point\"}\n{nonsense\n").starts_with("log:2:2"));
}

proptest! {
    /// Nothing that a file may contain makes a reader panic, nor gives a time that is none.
    #[test]
    fn never_panics(
        start in prop::sample::select(vec![
            "", "{", "{\"responseTimeHistogram\":{\"", "metric_name,timestamp,metric_value,status\nhttp_req_duration,1,",
            "t_bucket{le=\"", "# HELP\nt_bucket{le=\"1\"} ", "response-time,offset\n1,", "request-duration,status\n",
            "arrived_seconds,ended_seconds,cold,replica\n1,2,true,a\n", "{\"type\":\"Point\",\"metric\":\"http_req_duration\",\"data\":{\"time\":\"",
        ]),
        rest in "[\\PC\n\",{}0-9.:eE+-]{0,120}",
    ) {
        if let Ok(log) = read("any", &format!("{start}{rest}")) {
            prop_assert!(log.requests.iter().all(|request| request.response >= 0.0 && request.response.is_finite()));
            let _ = log.times(Which::All);
            let _ = log.arrivals();
        }
    }
}
