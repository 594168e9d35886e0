//! Names and addresses written so that people read them and no program takes them for a domain or an IP address.
//!
//! RTIR collects each of both from a ticket's text into fields of the ticket, by which it ties reports together. Those
//! of people, of their mail, and of services that were only asked would tie unrelated reports together. Source: RTIR,
//! `RT::Action::RTIR_FindDomain` and `RTIR_FindIP`; `name.tld` is enough for it, with `[at]` or without.

/// All of `text`, which names a person, a service or an address: `rachida[.]bio[at]univ[.]example`, `9[.]9[.]9[.]9`.
pub(crate) fn defang(text: &str) -> String {
    let mut written = Writer::for_text(text);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let after = text[at + c.len_utf8()..].chars().next().unwrap_or(' ');
        // Behind the index of an array no name goes on.
        written.push(c, !after.is_whitespace() && before != ']');
        before = c;
    }
    written.text
}

/// The address of a server that was asked, by name or by number, of IPv4 or IPv6.
pub(crate) fn defang_server(text: &str) -> String {
    defang(text).replace(':', "[:]")
}

/// The e-mail addresses in `text`, and nothing else of it. A link such as `https://social.example/@ada` has none.
pub(crate) fn defang_addresses(text: &str) -> String {
    let mut written = Writer::for_text(text);
    for word in text.split_inclusive(char::is_whitespace) {
        let chars: Vec<char> = word.chars().collect();
        let in_address = places_in_addresses(&chars, word.contains("://"));
        for (c, in_address) in chars.into_iter().zip(in_address) {
            written.push(c, in_address);
        }
    }
    written.text
}

/// Which of the characters of a word are an `@` between others, or a dot of the address around it.
fn places_in_addresses(word: &[char], link: bool) -> Vec<bool> {
    let mut places = vec![false; word.len()];
    let is_local = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
    let is_domain = |c: char| c.is_alphanumeric() || ".-".contains(c);
    for at in 1..word.len().saturating_sub(1) {
        if word[at] != '@' || (link && word[at - 1] == '/') || word[at + 1].is_whitespace() {
            continue;
        }
        places[at] = true;
        let before = (0..at).rev().take_while(|place| is_local(word[*place]));
        let after = (at + 1..word.len() - 1).take_while(|place| is_domain(word[*place]));
        for place in before.chain(after).filter(|place| word[*place] == '.' && !word[*place + 1].is_whitespace()) {
            places[place] = true;
        }
    }
    places
}

struct Writer {
    text: String,
}

impl Writer {
    fn for_text(text: &str) -> Self {
        Self { text: String::with_capacity(text.len() + 16) }
    }

    fn push(&mut self, c: char, defanged: bool) {
        match c {
            '.' if defanged => self.text.push_str("[.]"),
            '@' if defanged => self.text.push_str("[at]"),
            c => self.text.push(c),
        }
    }
}
