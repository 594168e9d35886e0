//! The protocol's own promises, whatever is heard. What they come to with several relays, `tests/model` explores.

use proptest::collection::vec;
use proptest::prelude::*;
use rtir_relay::outcome::{Done, Reason};
use rtir_relay::protocol::{End, Event, Heard, Hit, Next, Protocol, Request, Verdict, Wait};
use rtir_relay::ticket::TicketId;

const OWN: TicketId = TicketId(5);
const ANALYSTS: TicketId = TicketId(9);

fn hit(id: TicketId) -> Hit {
    Hit { id, leads_to: id, shows_key: true }
}

/// The work on an alert whose ticket was just made.
fn made() -> Protocol {
    let mut protocol = Protocol::new(false);
    protocol.hear(Heard::Hits(Vec::new()));
    assert_eq!(protocol.next(), Next::Ask(Request::Create));
    protocol.hear(Heard::Created(OWN));
    protocol
}

fn done(ticket: TicketId, how: Done) -> Next {
    Next::End(End::Done { ticket, how })
}

#[test]
fn a_ticket_that_the_search_does_not_find_is_read_and_explained() {
    let mut protocol = made();
    protocol.hear(Heard::Hits(vec![hit(TicketId(7))]));
    assert_eq!(protocol.next(), Next::Ask(Request::Read(OWN)));
    for (heard, next) in [
        (Heard::LeadsTo(ANALYSTS), done(ANALYSTS, Done::Merged)),
        (Heard::LeadsTo(OWN), Next::Ask(Request::Explain(OWN))),
        (Heard::Hidden, Next::Ask(Request::Explain(OWN))),
        (Heard::Gone(Verdict::Again), Next::Wait(Wait::Retry)),
    ] {
        let mut protocol = protocol.clone();
        protocol.hear(heard);
        assert_eq!(protocol.next(), next);
        let is_made_again = next == Next::Wait(Wait::Retry);
        assert_eq!(protocol.made(), (!is_made_again).then_some(OWN));
    }
}

#[test]
fn an_alert_whose_ticket_is_made_is_not_given_up() {
    let give_up = Verdict::GiveUp(Reason::Exhausted);
    let mut protocol = made();
    protocol.hear(Heard::Failed(give_up));
    assert_eq!(protocol.next(), Next::Wait(Wait::Retry));
    protocol.hear(Heard::Waited);
    assert_eq!(protocol.next(), Next::Ask(Request::Search), "it is proven, not made again");

    // One that is found, and not the only one yet.
    let mut protocol = Protocol::new(false);
    protocol.hear(Heard::Hits(vec![hit(OWN), hit(ANALYSTS)]));
    protocol.hear(Heard::Failed(give_up));
    assert_eq!(protocol.next(), Next::Wait(Wait::Retry));
    protocol.hear(Heard::Waited);
    protocol.hear(Heard::Hits(Vec::new()));
    protocol.hear(Heard::Failed(give_up));
    assert_eq!(protocol.next(), Next::End(End::GivenUp(Reason::Exhausted)), "somebody has removed both");
}

#[test]
fn what_becomes_of_each_double_is_told_and_none_holds_up_the_next() {
    let doubles = [6, 7, 8, 10].map(TicketId);
    let hits = [OWN].into_iter().chain(doubles).map(hit).collect();
    let mut protocol = made();
    protocol.hear(Heard::Hits(hits));
    let into = OWN;
    let merge = |protocol: &mut Protocol, double| {
        assert_eq!(protocol.next(), Next::Ask(Request::Read(double)));
        protocol.hear(Heard::LeadsTo(double));
        assert_eq!(protocol.next(), Next::Ask(Request::Merge { double, into }));
        protocol.hear(Heard::Answered);
        assert_eq!(protocol.next(), Next::Ask(Request::Read(double)));
    };
    merge(&mut protocol, doubles[0]);
    assert_eq!(protocol.hear(Heard::LeadsTo(into)), [Event::Merged { double: doubles[0], into }]);
    merge(&mut protocol, doubles[1]);
    assert_eq!(protocol.hear(Heard::LeadsTo(doubles[1])), [Event::Unmerged { double: doubles[1], into }]);
    assert_eq!(protocol.hear(Heard::Hidden), [Event::Unmerged { double: doubles[2], into }]);
    assert_eq!(protocol.hear(Heard::Gone(Verdict::Again)), []);
    assert_eq!(protocol.next(), done(OWN, Done::Created));
}

/// How a request that is asked may be answered.
fn answer(choice: u8, asked: Next) -> Heard {
    let ids = [TicketId(3), OWN, TicketId(7), ANALYSTS];
    let id = ids[usize::from(choice / 16) % ids.len()];
    let verdict = if choice & 4 == 0 { Verdict::Again } else { Verdict::GiveUp(Reason::Exhausted) };
    match (asked, choice % 4) {
        (Next::Wait(_), _) => Heard::Waited,
        (_, 0) => Heard::Failed(verdict),
        (Next::Ask(Request::Search), _) => {
            let found = ids.into_iter().enumerate().filter(|(place, _)| choice >> (place + 2) & 1 == 1);
            Heard::Hits(
                found
                    .map(|(_, found)| Hit { leads_to: if choice & 8 == 0 { found } else { id }, ..hit(found) })
                    .collect(),
            )
        }
        (Next::Ask(Request::Create), 1) => Heard::Lost,
        (Next::Ask(Request::Create), _) => Heard::Created(OWN),
        (Next::Ask(Request::Read(_) | Request::Explain(_)), 1) => Heard::Gone(verdict),
        (Next::Ask(Request::Read(_)), 2) if choice & 8 == 0 => Heard::Hidden,
        (Next::Ask(Request::Read(_)), _) => Heard::LeadsTo(id),
        (Next::Ask(Request::Merge { .. }), _) => Heard::Answered,
        (Next::Ask(Request::Explain(_)), _) => Heard::Failed(verdict),
        (Next::End(_), _) => Heard::Released,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_heard_a_create_is_always_proven_and_nothing_begins_after_a_release(
        redelivered: bool, choices in vec(any::<u8>(), 0..60), released_at in 0..60_usize,
    ) {
        let mut protocol = Protocol::new(redelivered);
        let mut released = false;
        for (step, choice) in choices.into_iter().enumerate() {
            if step == released_at {
                released = true;
                let under_way = protocol.made();
                let ends = protocol.ends_when_released();
                protocol.hear(Heard::Released);
                prop_assert_eq!(ends, matches!(protocol.next(), Next::End(_)));
                prop_assert!(under_way.is_none() || ends || protocol.made() == under_way);
            }
            let next = protocol.next();
            if matches!(next, Next::End(_)) {
                break;
            }
            let before = protocol.made();
            prop_assert!(!(released && next == Next::Ask(Request::Create)), "nothing is begun");
            prop_assert!(!(released && matches!(next, Next::Wait(_))), "nothing is waited for");
            prop_assert!(before.is_none() || next != Next::Ask(Request::Create), "it is made already");
            let heard = answer(choice, next);
            let gone = matches!(heard, Heard::Gone(_));
            protocol.hear(heard);
            prop_assert!(protocol.made() == before || next == Next::Ask(Request::Create) || gone);
            let given_up = matches!(protocol.next(), Next::End(End::GivenUp(_)));
            prop_assert!(!(given_up && protocol.made().is_some()));
        }
    }
}
