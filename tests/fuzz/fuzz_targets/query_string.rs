//! Any query string: every parameter comes out as text, and a plain one as it was written.

#![no_main]

use cloakroom::net::rest_sessions::query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for name in ["ip", "ttl", "dt", "no_resave", ""] {
        if let Some(param) = query::get(data, name) {
            assert!(param.text.len() <= 4 * data.len() + 20);
            assert!(!(param.is_void() && !param.text.is_empty()));
        }
    }
    let written = data.iter().all(|b| b.is_ascii_alphanumeric());
    if written {
        let given = [b"a=1&ip=", data].concat();
        let param = query::get(&given, "ip").expect("the query names it");
        assert!(param.plain);
        assert_eq!(param.text.as_bytes(), data);
    }
});
