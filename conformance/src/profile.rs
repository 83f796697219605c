//! Profiles: which rules count, and what is known of a broker's dialect.

use crate::grade::{Grade, Outcome};
use crate::known::Known;
use crate::requirement::{Cost, Level, Requirement};

/// What the rules cost, and which deviations are known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// The specifications alone: practice costs nothing, NON-STRICT fails.
    Strict,
    /// What must be; what the text leaves open is asked only if it is selected.
    Core,
    /// As the field does it: what is merely discouraged costs nothing.
    Lenient,
    /// Its documented deviations are KNOWN.
    Rabbitmq,
    /// Its documented deviations are KNOWN.
    Activemq,
    /// Its documented deviations are KNOWN.
    Artemis,
    /// Its documented deviations are KNOWN.
    SpringSimple,
    /// Its documented deviations are KNOWN.
    Emqx,
    /// What cannot pass a SockJS endpoint is KNOWN.
    Sockjs,
    /// Its documented deviations are KNOWN, and its own rules are tested.
    ContactCentre,
}

impl Profile {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Core => "core",
            Self::Lenient => "lenient",
            Self::Rabbitmq => "rabbitmq",
            Self::Activemq => "activemq",
            Self::Artemis => "artemis",
            Self::SpringSimple => "spring-simple",
            Self::Emqx => "emqx",
            Self::Sockjs => "sockjs",
            Self::ContactCentre => "contact-centre",
        }
    }

    /// Whether a case runs that nobody selected.
    pub(crate) fn asks(self, requirement: &Requirement) -> bool {
        let own = requirement.id.starts_with("DLX-");
        match self {
            Self::Strict => !own,
            Self::Core | Self::Lenient => !own && requirement.level != Level::Undefined,
            Self::ContactCentre => true,
            Self::Rabbitmq
            | Self::Activemq
            | Self::Artemis
            | Self::SpringSimple
            | Self::Emqx
            | Self::Sockjs => !own,
        }
    }

    /// What was seen, and what it costs here.
    pub(crate) fn grade(self, outcome: Outcome, requirement: &Requirement) -> (Grade, String) {
        let cost = match (self, requirement.level) {
            (Self::Strict, Level::DeFacto) => Cost::Info,
            _ => requirement.grade_if_violated,
        };
        match (self, outcome.graded(cost)) {
            (Self::Lenient, (Grade::NonStrict, words)) => (Grade::Info, words),
            (_, graded) => graded,
        }
    }

    /// What is known of this dialect; `ids` are those of all cases.
    pub(crate) fn known(self, ids: &[String]) -> Result<Known, String> {
        let text = match self {
            Self::Strict | Self::Core | Self::Lenient => "",
            Self::Rabbitmq => include_str!("../profiles/rabbitmq.toml"),
            Self::Activemq => include_str!("../profiles/activemq.toml"),
            Self::Artemis => include_str!("../profiles/artemis.toml"),
            Self::SpringSimple => include_str!("../profiles/spring-simple.toml"),
            Self::Emqx => include_str!("../profiles/emqx.toml"),
            Self::Sockjs => include_str!("../profiles/sockjs.toml"),
            Self::ContactCentre => include_str!("../profiles/contact-centre.toml"),
        };
        let name = format!("profile {}", self.name());
        Known::parse(&name, text, ids).map(Known::of_profile)
    }
}
