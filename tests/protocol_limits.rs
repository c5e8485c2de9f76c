//! The bounds of the binary protocol are those of the server.

use cloakroom::limits as server;
use cloakroom::model::U48;
use cloakroom_protocol::limits as protocol;

#[test]
fn protocol_promises_what_the_server_holds() {
    for (what, promised, held) in [
        ("app", protocol::APP_BYTES, server::APP_NAME_BYTES),
        ("token", protocol::TOKEN_BYTES, server::TOKEN_BYTES),
        ("user", protocol::USER_BYTES, server::USER_BYTES),
        ("IP text", protocol::IP_BYTES, server::IP_BYTES),
        ("data", protocol::DATA_BYTES, server::DATA_BYTES),
        (
            "access key",
            protocol::ACCESS_KEY_BYTES,
            server::ACCESS_KEY_BYTES,
        ),
    ] {
        assert_eq!(promised, held, "bytes of {what}");
    }
    assert_eq!(protocol::U48_MAX, U48::MAX);
    assert_eq!(server::JSON_DEPTH, 126, "SPEC.md, section 6, says so");
    assert_eq!(server::JSON_VALUES, 16_384, "SPEC.md, section 6, says so");
}
