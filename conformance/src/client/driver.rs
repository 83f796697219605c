//! Whatever makes the client do things: a shim that is told, or the echo
//! convention.

use super::echo::Echo;
use super::shim::{Hello, Shim};
use super::world::{Answer, World};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(crate) enum Driver {
    Shim(Shim),
    Echo(Echo),
}

impl Driver {
    pub(crate) fn hello(&self) -> &Hello {
        match self {
            Self::Shim(shim) => &shim.hello,
            Self::Echo(echo) => &echo.hello,
        }
    }

    /// Gives a command and waits for its answer.
    pub(crate) fn tell(
        &mut self,
        world: &Arc<World>,
        verb: &str,
        fields: &Value,
        within: Duration,
    ) -> Option<Answer> {
        match self {
            Self::Shim(shim) => {
                let id = shim.command(verb, fields);
                shim.answer(id, within)
            }
            Self::Echo(echo) => echo.tell(world, verb, fields, within),
        }
    }

    /// Where cases are served.
    pub(crate) fn ip(&self) -> IpAddr {
        match self {
            Self::Shim(_) => Ipv4Addr::LOCALHOST.into(),
            Self::Echo(echo) => echo.ip(),
        }
    }

    /// From now on the account is of another case.
    pub(crate) fn turn_to(&self, world: &Arc<World>) {
        match self {
            Self::Shim(shim) => shim.turn_to(world),
            Self::Echo(_) => {}
        }
    }

    /// The most memory that its process has held so far, where that can be seen.
    pub(crate) fn memory(&self) -> Option<u64> {
        match self {
            Self::Shim(shim) => shim.memory(),
            Self::Echo(_) => None,
        }
    }

    /// How its process ended, if it has.
    pub(crate) fn status(&mut self) -> Option<i32> {
        match self {
            Self::Shim(shim) => shim.status(),
            Self::Echo(_) => None,
        }
    }
}
