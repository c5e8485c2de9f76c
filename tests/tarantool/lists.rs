//! `/user` and `/ip`.

use cloakroom::limits;

use crate::service::{BAD_IP, BAD_LISTED_USER, Service};

#[test]
fn lists_are_ordered_by_token_descending_however_long() {
    let service = Service::new();
    let many = 3 * limits::ENTRIES_PER_HOLD + 7;
    let mut tokens: Vec<_> = (0..many).map(|_| service.create("7", "10.1.1.1")).collect();
    service.create("8", "10.1.1.2");
    tokens.sort_unstable_by(|a, b| b.cmp(a));
    for answer in [
        service.get("/user?id=7.9"),
        service.form("/user?id=8", "id=7"),
        service.json("/user", "{\"id\":7}"),
        service.get("/ip?ip=10.1.1.1"),
        service.form("/ip", "ip=10.1.1%2E1"),
    ] {
        assert_eq!(answer.tokens(), tokens);
        assert!(serde_json::from_str::<serde_json::Value>(&answer.body).is_ok());
    }
    for (target, expected) in [
        ("/user", BAD_LISTED_USER),
        ("/user?id=", BAD_LISTED_USER),
        ("/user?user_id=7", BAD_LISTED_USER),
        ("/user?id=7&id=7", BAD_LISTED_USER),
        ("/user?id=-1", BAD_LISTED_USER),
        ("/user?id=1e400", BAD_LISTED_USER),
        ("/user?id=1e20", r#"{"status":"success","data":[]}"#),
        ("/ip", BAD_IP),
        ("/ip?id=5", BAD_IP),
        ("/ip?ip=1&ip=2", BAD_IP),
        ("/ip?ip=", r#"{"status":"success","data":[]}"#),
        ("/ip?ip=10.1.1", r#"{"status":"success","data":[]}"#),
    ] {
        assert_eq!(service.get(target).body, expected, "{target}");
    }
    assert_eq!(service.json("/ip", "{\"ip\":5}").body, BAD_IP);
}
