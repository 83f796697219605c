//! What each action does.

mod connection;
mod frames;
mod octets;

use super::conn::{Phase, Shapes};
use super::run::{Cx, Mangle, Run};
use super::{Engine, Output, Pending};
use crate::http::Response;
use crate::script::{Action, TlsFault};
use crate::transcript::What;

/// Copies of one frame at most.
const MOST_COPIES: u32 = 10_000;

impl Engine {
    pub(super) fn act(&mut self, run: &mut Run, action: Action) {
        let conn = run.conn;
        match action {
            Action::Pass => {
                if !run.done {
                    self.take_place(run);
                }
            }
            Action::Drop => {
                let what = run
                    .frame_mut()
                    .map_or_else(String::new, |f| format!(" {}", f.command));
                self.fault(conn, format!("drop{what}"));
                run.done = true;
            }
            Action::Send(frame) => self.send_scripted(conn, frame),
            Action::Error(error) => self.act_error(run, error),
            Action::Delay(_) | Action::Seq(_) | Action::Pick(_) => {}
            Action::Dup(n) => {
                self.fault(conn, format!("dup {n}"));
                run.copies = n.min(MOST_COPIES);
            }
            Action::Set(headers) => self.act_set(run, headers),
            Action::Unset(names) => {
                if let Some(frame) = run.frame_mut() {
                    for name in names {
                        frame.unset(&name);
                    }
                }
            }
            Action::Hold(name) => self.act_hold(run, name),
            Action::Release { name, order } => self.act_release(conn, &name, order),
            Action::Corrupt(corrupt) => {
                self.fault(conn, format!("corrupt {corrupt:?}"));
                run.mangles.push(Mangle::Corrupt(corrupt));
            }
            Action::Pad { headers, body } => {
                self.fault(conn, format!("pad {headers} headers, {body} octets"));
                run.mangles.push(Mangle::Pad { headers, body });
            }
            Action::Raw { octets, ws } => self.act_raw(conn, octets, ws),
            Action::Shape(shape) => self.act_shape(conn, shape),
            Action::Plain => {
                self.flush_join(conn);
                if let Some(c) = self.conns.get_mut(&conn) {
                    c.shapes = Shapes::default();
                }
                self.fault(conn, "plain");
            }
            Action::Close { code, reason } => {
                self.fault(conn, format!("close {code}"));
                run.done = true;
                let reason = self.fill_port(&reason);
                self.shut_close(conn, code, &reason);
            }
            Action::Fin { after: None } => {
                self.fault(conn, "fin");
                run.done = true;
                self.shut_fin(conn);
            }
            Action::Fin { after: Some(n) } => {
                self.fault(conn, format!("fin after {n} octets"));
                if matches!(run.cx, Cx::Send { .. }) {
                    run.cut = Some(n);
                } else if let Some(c) = self.conns.get_mut(&conn) {
                    c.shapes.cut = Some(n);
                }
            }
            Action::Rst => {
                self.fault(conn, "rst");
                run.done = true;
                self.shut_rst(conn);
            }
            Action::Blackhole { direction, span } => {
                let span = span.map(|s| s.pick(self.die(conn)));
                self.act_blackhole(conn, direction, span);
            }
            Action::Ping(octets) => {
                if self
                    .conns
                    .get(&conn)
                    .is_some_and(|c| c.phase == Phase::Open)
                {
                    self.fault(conn, "ping");
                    self.active(conn);
                    self.outputs.push_back(Output::Ping { conn, octets });
                }
            }
            Action::MutePong => {
                self.fault(conn, "mute pong");
                if let Some(c) = self.conns.get_mut(&conn) {
                    c.mute_pong = true;
                }
            }
            Action::Garbage(what) => self.act_garbage(run, what),
            Action::Refuse(span) => {
                let span = span.pick(self.die(conn));
                self.fault(conn, format!("refuse {span:?}"));
                self.refuse_connections(Some(span));
            }
            Action::Http(response) => self.act_http(run, response),
            Action::Redirect(to) => {
                let headers = vec![("Location".to_owned(), to)];
                self.act_http(
                    run,
                    Response {
                        status: 302,
                        headers,
                        body: Vec::new(),
                    },
                );
            }
            Action::Hang | Action::Tls(TlsFault::Stall) => {
                run.done = true;
                self.hang(conn);
            }
            Action::Tls(fault) => {
                self.fault(conn, format!("tls {fault:?}"));
                self.outputs.push_back(Output::Tls { conn, fault });
            }
            Action::Subprotocol(name) => {
                if let Cx::Upgrade { subprotocol, .. } = &mut run.cx {
                    *subprotocol = Some(name);
                    self.fault(conn, "subprotocol");
                }
            }
            Action::BadAccept => {
                if let Cx::Upgrade { bad_accept, .. } = &mut run.cx {
                    *bad_accept = true;
                    self.fault(conn, "bad accept");
                }
            }
            Action::Beat(beat) => self.act_beat(conn, beat),
            Action::Rebind => run.rebind = true,
            Action::Kick => self.act_kick(run),
            Action::Expire(name) => {
                self.fault(conn, "expire");
                self.expire_tokens(&name);
            }
            Action::Storm(storm) => self.begin_storm(conn, storm),
            Action::Silence { dest, span } => {
                let span = span.map(|s| s.pick(self.die(conn)));
                self.act_silence(conn, dest, span);
            }
            Action::Goto(state) => self.act_goto(conn, &state),
            Action::Fail(words) => self.record(conn, What::Fail(words)),
            Action::Mark(name) => {
                self.record(conn, What::Mark(name.clone()));
                self.triggers.push_back((conn, Pending::Mark(name)));
            }
            Action::Log(words) => {
                let words = self.fill_port(&words);
                self.record(conn, What::Log(words));
            }
        }
    }
}
