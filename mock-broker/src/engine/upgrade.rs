//! From the request to the open WebSocket.

use super::conn::Phase;
use super::run::{Cx, Event, Run};
use super::{Engine, Output};
use crate::http::{Request, Response, refusal};
use crate::script::{Origin, Stage};
use crate::transcript::What;
use crate::wire::Version;

impl Engine {
    pub(super) fn on_upgrade(&mut self, conn: u64, request: &Request) {
        let (path, headers) = (request.path.clone(), request.headers.clone());
        self.record(conn, What::Upgrade { path, headers });
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        if c.phase != Phase::Tcp {
            return;
        }
        c.phase = Phase::Upgrade;
        c.request = Some(request.clone());
        if self
            .scenario
            .path
            .as_deref()
            .is_some_and(|path| path != request.route())
        {
            self.answer(
                conn,
                Response::text(404, "There is no broker at this path.\n"),
            );
        } else if let Some(response) = refusal(request) {
            self.answer(conn, response);
        } else {
            let actions = self.fire(conn, Event::Stage(Stage::Upgrade));
            let cx = Cx::Upgrade {
                subprotocol: None,
                bad_accept: false,
            };
            self.run(Run::new(conn, cx, actions));
        }
    }

    /// Answers the request without an upgrade.
    pub(super) fn answer(&mut self, conn: u64, mut response: Response) {
        let port = self.port.to_string();
        for (_, value) in &mut response.headers {
            *value = value.replace("{port}", &port);
        }
        if let Ok(text) = std::str::from_utf8(&response.body) {
            response.body = text.replace("{port}", &port).into_bytes();
        }
        self.record(
            conn,
            What::Http {
                status: response.status,
            },
        );
        self.over(conn);
        self.outputs.push_back(Output::Http { conn, response });
    }

    /// Completes the upgrade.
    pub(super) fn accept(&mut self, conn: u64, forced: Option<Option<String>>, bad_accept: bool) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let Some(request) = c.request.as_ref().filter(|_| c.phase == Phase::Upgrade) else {
            return;
        };
        let offered: Vec<&str> = request.headers.tokens("Sec-WebSocket-Protocol").collect();
        let known = self.scenario.subprotocols.iter().map(String::as_str);
        let subprotocol = forced.unwrap_or_else(|| {
            known
                .chain(["v12.stomp", "v11.stomp", "v10.stomp"])
                .find(|name| offered.contains(name))
                .map(str::to_owned)
        });
        c.phase = Phase::Open;
        c.beats.last_in = self.now;
        c.promised = match subprotocol.as_deref() {
            Some("v12.stomp") => Some(Version::V1_2),
            Some("v11.stomp") => Some(Version::V1_1),
            Some("v10.stomp") => Some(Version::V1_0),
            Some(_) | None => None,
        };
        self.record(
            conn,
            What::Open {
                subprotocol: subprotocol.clone(),
            },
        );
        self.outputs.push_back(Output::Accept {
            conn,
            subprotocol,
            bad_accept,
        });
        self.arm_rules(conn, Origin::Open);
        let actions = self.fire(conn, Event::Stage(Stage::Open));
        self.run(Run::new(conn, Cx::None, actions));
    }
}
