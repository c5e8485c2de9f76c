//! One client: what it does, what it records, and what it expects of the next server.

use crate::choice::Dice;
use crate::client::{Client, Gone};
use crate::record::Record;

/// Users of each worker.
const USERS: u64 = 4;
/// Sessions long dead that each new server is asked for.
const OLD_DEAD: usize = 100;
/// Living sessions of a worker, beyond which it rather kills.
const MOST: usize = 40;

/// Works on an app of its own and on its member of one session that all share.
pub(crate) struct Worker {
    app: String,
    member: String,
    dice: Dice,
    record: Record,
    acknowledged: u64,
    /// The newest value of the shared session's member that was acknowledged, and that was sent.
    shared: (u64, u64),
    next: u64,
}

/// Creates the session that all workers set.
pub(crate) fn create_shared(address: &str) -> String {
    let mut client = Client::connect(address);
    let created = client.ask("PUT", "/shared/create/all?ip=1", "{\"a\":1}");
    created.unwrap()["token"].as_str().unwrap().to_owned()
}

impl Worker {
    pub(crate) fn new(number: u64, seed: u64) -> Self {
        Self {
            app: format!("app{number}"),
            member: format!("m{number}"),
            dice: Dice::new(seed),
            record: Record::default(),
            acknowledged: 0,
            shared: (0, 0),
            next: 0,
        }
    }

    /// Changes that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Works until the server is gone.
    pub(crate) fn work(&mut self, address: &str, shared: &str) {
        let mut client = Client::connect(address);
        while self.step(&mut client, shared).is_ok() {}
    }

    fn step(&mut self, client: &mut Client, shared: &str) -> Result<(), Gone> {
        let crowded = self.record.living(None).len() >= MOST;
        match self.dice.roll(100) {
            0..30 if !crowded => self.create(client)?,
            0..50 => self.set(client)?,
            50..60 => self.set_shared(client, shared)?,
            60..75 => return self.get(client),
            75..96 => self.kill(client)?,
            96..99 => self.kill_user(client)?,
            _ => self.kill_all(client)?,
        }
        self.acknowledged += 1;
        Ok(())
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn create(&mut self, client: &mut Client) -> Result<(), Gone> {
        let (user, value) = (self.dice.roll(USERS), self.next());
        let path = format!("/{}/create/u{user}?ip=1", self.app);
        let answer = client.ask("PUT", &path, &format!("{{\"n\":{value}}}"));
        let Ok(answer) = answer else {
            self.record.maybe_created.push(user);
            return Err(Gone);
        };
        let token = answer["token"].as_str().unwrap().to_owned();
        self.record.created(token, user, value);
        Ok(())
    }

    fn pick(&mut self) -> Option<(String, u64)> {
        let number = usize::try_from(self.dice.roll(1 << 20)).unwrap();
        self.record.pick(number)
    }

    fn set(&mut self, client: &mut Client) -> Result<(), Gone> {
        let Some((token, _)) = self.pick() else {
            return Ok(());
        };
        let value = self.next();
        let path = format!("/{}/set/{token}", self.app);
        let answer = client.ask("POST", &path, &format!("{{\"n\":{value}}}"));
        let Ok(answer) = answer else {
            self.record.doubt(&token, Some(value));
            return Err(Gone);
        };
        assert_eq!(answer["d"]["n"], value);
        self.record.settle(&token, Some(value));
        Ok(())
    }

    fn set_shared(&mut self, client: &mut Client, token: &str) -> Result<(), Gone> {
        self.shared.1 = self.next();
        let body = format!("{{\"{}\":{}}}", self.member, self.shared.1);
        client.ask("POST", &format!("/shared/set/{token}"), &body)?;
        self.shared.0 = self.shared.1;
        Ok(())
    }

    fn get(&mut self, client: &mut Client) -> Result<(), Gone> {
        if let Some((token, value)) = self.pick() {
            let answer = client.ask("GET", &format!("/{}/get/{token}", self.app), "")?;
            assert_eq!(answer["d"]["n"], value);
        }
        Ok(())
    }

    fn kill(&mut self, client: &mut Client) -> Result<(), Gone> {
        let Some((token, _)) = self.pick() else {
            return Ok(());
        };
        let path = format!("/{}/kill/{token}", self.app);
        self.kill_many(client, &path, &[token])
    }

    fn kill_user(&mut self, client: &mut Client) -> Result<(), Gone> {
        let user = self.dice.roll(USERS);
        let path = format!("/{}/killsoid/u{user}", self.app);
        self.kill_many(client, &path, &self.record.living(Some(user)))
    }

    fn kill_all(&mut self, client: &mut Client) -> Result<(), Gone> {
        let path = format!("/{}/killall", self.app);
        self.kill_many(client, &path, &self.record.living(None))
    }

    fn kill_many(&mut self, client: &mut Client, path: &str, who: &[String]) -> Result<(), Gone> {
        let Ok(answer) = client.ask("DELETE", path, "") else {
            for token in who {
                self.record.doubt(token, None);
            }
            return Err(Gone);
        };
        assert_eq!(answer["kill"], who.len(), "{path}");
        for token in who {
            self.record.settle(token, None);
        }
        Ok(())
    }

    /// Compares what the next server knows with the record, and settles what was open.
    pub(crate) fn verify(&mut self, address: &str, shared: Option<&str>) {
        let mut client = Client::connect(address);
        let mut ask = |method: &str, path: &str| client.ask(method, path, "").unwrap();
        for (token, known) in self.record.due(OLD_DEAD, &mut self.dice) {
            let found = ask("GET", &format!("/{}/get/{token}", self.app));
            let found = found["d"]["n"].as_u64();
            assert!(
                known.states.contains(&found),
                "{token} of u{} is {found:?}, not {:?}",
                known.user,
                known.states
            );
            self.record.settle(&token, found);
        }
        for user in 0..USERS {
            self.verify_user(&mut ask, user);
        }
        self.record.maybe_created.clear();
        if let Some(shared) = shared {
            let found = ask("GET", &format!("/shared/get/{shared}"));
            let found = found["d"][&self.member].as_u64().unwrap_or_default();
            let (acknowledged, sent) = self.shared;
            assert!(
                found == acknowledged || found == sent,
                "{found} {:?}",
                self.shared
            );
            self.shared = (found, found);
        }
    }

    /// The list of a user has all living sessions, and beyond them only what may have been created.
    fn verify_user(&mut self, ask: &mut impl FnMut(&str, &str) -> serde_json::Value, user: u64) {
        let listed = ask("GET", &format!("/{}/soid/u{user}", self.app));
        let listed = listed["sessions"].as_array().unwrap().iter();
        let listed: Vec<u64> = listed.map(|one| one["d"]["n"].as_u64().unwrap()).collect();
        let recorded = self.record.values(user);
        let strangers = listed
            .iter()
            .filter(|value| !recorded.contains(value))
            .count();
        let open = self
            .record
            .maybe_created
            .iter()
            .filter(|of| **of == user)
            .count();
        assert_eq!(
            listed.len() - strangers,
            recorded.len(),
            "u{user} lost a session"
        );
        assert!(
            strangers <= open,
            "u{user} has {strangers} sessions that nobody created"
        );
        if strangers > 0 {
            // Nobody knows their tokens, so they go with all others of the user.
            let killed = ask("DELETE", &format!("/{}/killsoid/u{user}", self.app));
            assert_eq!(killed["kill"], listed.len());
            for token in self.record.living(Some(user)) {
                self.record.settle(&token, None);
            }
        }
    }
}
