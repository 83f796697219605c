//! Actions: one verb each, and its modifiers.

use super::parts::{
    Rate, RawClose, RawCorrupt, RawDrip, RawError, RawFin, RawFrame, RawHttp, RawPad, RawRaw,
    RawStorm,
};
use super::words::{Fixed, InBetween, Pairs, Yes, unknown};
use crate::script::action::{
    Action, BeatAction, Between, Direction, Garbage, HeadFault, Kind, Order, Shape, ShapeAction,
    TlsFault,
};
use crate::script::units::{Cut, Span};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::time::Duration;

/// The actions that are said in one word.
pub(in crate::script) const BARE: [(&str, Action); 10] = [
    ("pass", Action::Pass),
    ("drop", Action::Drop),
    ("fin", Action::Fin { after: None }),
    ("rst", Action::Rst),
    ("hang", Action::Hang),
    ("bad-accept", Action::BadAccept),
    ("mute-pong", Action::MutePong),
    ("kick", Action::Kick),
    ("plain", Action::Plain),
    ("rebind", Action::Rebind),
];

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ActionVisitor)
    }
}

struct ActionVisitor;

impl<'de> Visitor<'de> for ActionVisitor {
    type Value = Action;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an action: a word such as \"fin\" or an object such as {\"delay\":\"2s\"}")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Action, E> {
        let found = BARE.iter().find(|(w, _)| *w == text);
        found
            .map(|(_, a)| a.clone())
            .ok_or_else(|| E::custom(unknown("action", text, BARE.iter().map(|(w, _)| *w))))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Action, A::Error> {
        RawAction::deserialize(MapAccessDeserializer::new(map))?
            .build()
            .map_err(A::Error::custom)
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawAction {
    send: Option<RawFrame>,
    error: Option<RawError>,
    delay: Option<Span>,
    dup: Option<u32>,
    set: Option<Pairs>,
    unset: Option<Vec<String>>,
    hold: Option<String>,
    release: Option<String>,
    order: Option<Order>,
    corrupt: Option<RawCorrupt>,
    pad: Option<RawPad>,
    raw: Option<RawRaw>,
    split: Option<Cut>,
    frag: Option<Cut>,
    empty: Option<Yes>,
    pong: Option<InBetween>,
    join: Option<usize>,
    within: Option<Fixed>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    drip: Option<RawDrip>,
    plain: Option<Yes>,
    next: Option<u64>,
    close: Option<RawClose>,
    fin: Option<RawFin>,
    blackhole: Option<Direction>,
    #[serde(rename = "for")]
    span: Option<Span>,
    stall_read: Option<Span>,
    ping: Option<String>,
    refuse: Option<Span>,
    http: Option<RawHttp>,
    redirect: Option<String>,
    tls: Option<TlsFault>,
    #[serde(deserialize_with = "present")]
    subprotocol: Option<Option<String>>,
    hb: Option<BeatAction>,
    rebind: Option<Yes>,
    expire: Option<String>,
    storm: Option<RawStorm>,
    mark: Option<String>,
    log: Option<String>,
    seq: Option<Vec<Vec<Action>>>,
    pick: Option<Vec<Vec<Action>>>,
    stall_write: Option<Span>,
    garbage: Option<Garbage>,
    rate: Option<Rate>,
    ws: Option<HeadFault>,
    silence: Option<String>,
    goto: Option<String>,
    fail: Option<String>,
}

/// A key that is there, be its value null or not.
fn present<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(d).map(Some)
}

impl RawAction {
    fn build(mut self) -> Result<Action, String> {
        let next = self.next.take();
        let shaped = |shape| Action::Shape(ShapeAction { shape, next });
        let mut found: Vec<Action> = Vec::new();
        if let Some(cut) = self.frag.take() {
            let ping = match self.ping.take().as_deref() {
                Some("between") => Some(Between::Ping),
                Some(other) => {
                    return Err(unknown("place for `ping`", other, ["between"].into_iter()));
                }
                None => None,
            };
            let pong = self.pong.take().map(|InBetween| Between::Pong);
            let empty = self.empty.take().map(|Yes| Between::Empty);
            let mut all = [ping, pong, empty].into_iter().flatten();
            let between = all.next();
            if all.next().is_some() {
                return Err("one of `ping`, `pong`, `empty` goes between fragments".to_owned());
            }
            found.push(shaped(Shape::Frag { cut, between }));
        }
        if let Some(frames) = self.join.take() {
            let within = self
                .within
                .take()
                .map_or(Duration::from_millis(50), |w| w.0);
            found.push(shaped(Shape::Join { frames, within }));
        }
        if let Some(direction) = self.blackhole.take() {
            found.push(Action::Blackhole {
                direction,
                span: self.span.take(),
            });
        }
        if let Some(dest) = self.silence.take() {
            found.push(Action::Silence {
                dest,
                span: self.span.take(),
            });
        }
        if let Some(name) = self.release.take() {
            let order = self.order.take().unwrap_or_default();
            found.push(Action::Release { name, order });
        }
        found.extend(self.split.take().map(|cut| shaped(Shape::Split(cut))));
        found.extend(self.kind.take().map(|kind| shaped(Shape::Type(kind))));
        found.extend(self.drip.take().map(|d| {
            shaped(Shape::Drip {
                bytes: d.bytes.get(),
                gap: d.gap.0,
            })
        }));
        found.extend(self.rate.take().map(|r| shaped(Shape::Rate(r.0))));
        found.extend(self.ws.take().map(|fault| shaped(Shape::Ws(fault))));
        if next == Some(0) {
            return Err("`next` is at least 1".to_owned());
        }
        if next.is_some() && !found.iter().any(|a| matches!(a, Action::Shape(_))) {
            return Err(
                "`next` needs `split`, `frag`, `join`, `type`, `drip`, `rate` or `ws`".to_owned(),
            );
        }
        for (there, what) in [
            (self.within.is_some(), "`within` needs `join`"),
            (self.span.is_some(), "`for` needs `blackhole` or `silence`"),
            (self.order.is_some(), "`order` needs `release`"),
            (
                self.pong.is_some() || self.empty.is_some(),
                "`pong` and `empty` need `frag`",
            ),
        ] {
            if there {
                return Err(what.to_owned());
            }
        }
        self.simple(&mut found)?;
        match (found.pop(), found.is_empty()) {
            (Some(action), true) => Ok(action),
            (Some(_), false) => Err("an action has one verb; write two actions".to_owned()),
            (None, _) => Err("the action is empty".to_owned()),
        }
    }

    /// The verbs without modifiers.
    fn simple(self, found: &mut Vec<Action>) -> Result<(), String> {
        if let Some(frame) = self.send {
            found.push(Action::Send(frame.build()?));
        }
        if let Some(e) = self.error {
            found.push(Action::Error(e.build()));
        }
        if let Some(raw) = self.raw {
            found.push(raw.build()?);
        }
        if let Some(corrupt) = self.corrupt {
            found.push(Action::Corrupt(corrupt.build()?));
        }
        if let Some(http) = self.http {
            found.push(Action::Http(http.build()));
        }
        found.extend(self.delay.map(Action::Delay));
        if self.dup.is_some_and(|n| n > 10_000) {
            return Err("`dup` is at most 10000".to_owned());
        }
        found.extend(self.dup.map(Action::Dup));
        found.extend(self.set.map(|p| Action::Set(p.0)));
        found.extend(self.unset.map(Action::Unset));
        found.extend(self.hold.map(Action::Hold));
        if let Some(pad) = self.pad {
            found.push(pad.build()?);
        }
        found.extend(self.plain.map(|Yes| Action::Plain));
        found.extend(self.close.map(|c| Action::Close {
            code: c.code,
            reason: c.reason.unwrap_or_default(),
        }));
        found.extend(self.fin.map(|f| Action::Fin {
            after: Some(f.after_bytes),
        }));
        found.extend(self.stall_read.map(|span| Action::Blackhole {
            direction: Direction::In,
            span: Some(span),
        }));
        found.extend(self.stall_write.map(|span| Action::Blackhole {
            direction: Direction::Out,
            span: Some(span),
        }));
        found.extend(self.garbage.map(Action::Garbage));
        found.extend(self.goto.map(Action::Goto));
        found.extend(self.fail.map(Action::Fail));
        found.extend(self.ping.map(|p| Action::Ping(p.into_bytes())));
        found.extend(self.refuse.map(Action::Refuse));
        found.extend(self.redirect.map(Action::Redirect));
        found.extend(self.tls.map(Action::Tls));
        found.extend(self.subprotocol.map(Action::Subprotocol));
        found.extend(self.hb.map(Action::Beat));
        found.extend(self.rebind.map(|Yes| Action::Rebind));
        found.extend(self.expire.map(Action::Expire));
        if let Some(storm) = self.storm {
            found.push(Action::Storm(storm.build()?));
        }
        found.extend(self.mark.map(Action::Mark));
        found.extend(self.log.map(Action::Log));
        found.extend(self.seq.map(Action::Seq));
        found.extend(self.pick.map(Action::Pick));
        Ok(())
    }
}
