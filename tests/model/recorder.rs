//! A log that keeps every change, and plays it back.

use std::sync::{Arc, Mutex};

use cloakroom::engine::{ChangeLog, Engine, Position};
use cloakroom::model::Change;
use cloakroom::model::change::{CreateChange, TouchChange, UpdateChange};
use cloakroom::model::{AppName, DataChange, Tag};

/// A change that owns its texts.
type Replay = Box<dyn Fn(&Engine) + Send>;

/// Keeps the changes of an engine in their order.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Replay>>>);

impl ChangeLog for Recorder {
    fn append(&self, change: &Change<'_>) -> Option<Position> {
        let mut kept = self.0.lock().unwrap();
        kept.push(owned(change));
        Some(Position(kept.len() as u64))
    }

    fn touched(&self, touch: &TouchChange) {
        self.0.lock().unwrap().push(owned_touch(*touch));
    }
}

impl Recorder {
    /// Carries out all changes on `engine`, each of them `times` times in a row.
    pub(crate) fn replay(&self, engine: &Engine, times: usize) {
        for change in &*self.0.lock().unwrap() {
            (0..times).for_each(|_| change(engine));
        }
    }
}

fn owned(change: &Change<'_>) -> Replay {
    match change {
        Change::Create(create) => owned_create(create),
        Change::Update(update) => owned_update(update),
        Change::Touch(touch) => owned_touch(*touch),
        Change::Remove { handle } => {
            let handle = *handle;
            Box::new(move |engine| engine.replay(&Change::Remove { handle }))
        }
        Change::RemoveApp { app, epoch } => {
            let (app, epoch) = (app.as_str().to_owned(), *epoch);
            Box::new(move |engine| {
                let app = AppName::new(&app).unwrap();
                engine.replay(&Change::RemoveApp { app, epoch });
            })
        }
    }
}

fn owned_touch(touch: TouchChange) -> Replay {
    Box::new(move |engine| engine.replay(&Change::Touch(touch)))
}

fn owned_create(create: &CreateChange<'_>) -> Replay {
    let app = create.app.as_str().to_owned();
    let (user, ip) = (create.user.map(str::to_owned), create.ip.map(str::to_owned));
    let (data, sealed) = (create.data.to_vec(), create.sealed.to_vec());
    let CreateChange {
        epoch,
        tag,
        created,
        last_active,
        lag,
        life,
        no_resave,
        ..
    } = *create;
    let CreateChange {
        reads,
        writes,
        content_type,
        ..
    } = *create;
    Box::new(move |engine| {
        engine.replay(&Change::Create(CreateChange {
            app: AppName::new(&app).unwrap(),
            epoch,
            tag: Tag { ..tag },
            user: user.as_deref(),
            ip: ip.as_deref(),
            created,
            last_active,
            lag,
            life,
            no_resave,
            reads,
            writes,
            content_type,
            data: &data,
            sealed: &sealed,
        }));
    })
}

fn owned_update(update: &UpdateChange<'_>) -> Replay {
    let ip = update.ip.map(str::to_owned);
    let data = update
        .data
        .map(|data| (data.content_type, data.bytes.to_vec()));
    let UpdateChange {
        handle,
        last_active,
        lag,
        reads,
        writes,
        life,
        ..
    } = *update;
    Box::new(move |engine| {
        let data = data.as_ref();
        let data = data.map(|(content_type, bytes)| DataChange {
            content_type: *content_type,
            bytes,
        });
        let ip = ip.as_deref();
        let change = UpdateChange {
            handle,
            last_active,
            lag,
            reads,
            writes,
            life,
            ip,
            data,
        };
        engine.replay(&Change::Update(change));
    })
}
