//! Rotations in the log: a crash keeps both halves of one, or neither.

use cloakroom::engine::{Key, NewSession, NewToken, Rotate};
use cloakroom::log::Durability;
use cloakroom::model::{Life, TextChange, TokenStyle};

use crate::engines::{app, plain};
use crate::server::Server;

#[test]
fn both_halves_of_a_rotation_stand_in_one_block_though_the_first_fills_it() {
    for grace in [0, 60_000] {
        let server = Server::new(Durability::Always);
        // A block of these small segments is closed beyond 16 KiB: the session fits, twice it does not.
        let data = format!(r#"{{"a":"{}"}}"#, "x".repeat(10 << 10));
        let new = NewSession {
            data: data.as_bytes(),
            ..plain("shop", "u", Life::ENDLESS)
        };
        let created = server.engine.create(server.at(), &new).unwrap();
        let to = Rotate {
            token: NewToken::Draw(TokenStyle::UuidV4),
            user: TextChange::Keep,
            grace,
        };
        let key = Key::Token(created.answer.token.as_bytes());
        let rotated = server.engine.rotate(server.at(), app("shop"), key, &to);
        let rotated = rotated.unwrap();
        // A position is that of a block, and a crash leaves whole blocks.
        assert_eq!(rotated.wait_for, created.wait_for);
        let next = server.engine.create(server.at(), &new).unwrap();
        assert!(next.wait_for > rotated.wait_for, "the block was not filled");
    }
}
