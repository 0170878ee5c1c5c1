//! "I want a person": found in words, not in parts of them, without regard to case and accents, in
//! English, Norwegian, German, French and Spanish.
//!
//! A phrase is a row of places, each with the words that may stand there; an empty word may be left
//! out. It errs towards people: whoever writes "I don't want a person" gets one.

/// One phrase.
type Phrase = &'static [&'static [&'static str]];

const PHRASES: &[Phrase] = &[
    // English
    &[
        &[
            "talk",
            "talking",
            "speak",
            "speaking",
            "chat",
            "write",
            "connect",
            "connected",
            "transfer",
            "transferred",
            "put",
        ],
        &["me", ""],
        &["to", "with", "through"],
        &["to", ""],
        &["a", "an", "the", "your", "some", "any", ""],
        &["real", "live", "actual", "human", "customer", "support", ""],
        &["service", "support", ""],
        &[
            "person",
            "human",
            "humans",
            "people",
            "somebody",
            "someone",
            "agent",
            "representative",
            "rep",
            "operator",
            "employee",
            "advisor",
            "adviser",
            "colleague",
            "staff",
            "team",
        ],
    ],
    &[
        &["want", "need", "like", "prefer", "have", "get"],
        &["a", "an", "to", "me", ""],
        &["a", "an", ""],
        &["real", "live", "actual", "human", ""],
        &["person", "human", "agent", "representative", "operator"],
    ],
    &[
        &["real", "live", "actual"],
        &["person", "human", "people", "agent", "operator"],
    ],
    &[
        &["human"],
        &["being", "agent", "operator", "person", "support"],
    ],
    &[
        &[
            "talk", "talking", "speak", "speaking", "chat", "chatting", "deal", "dealing",
        ],
        &["to", "with"],
        &["a", "an", "the", "this", "your", "any", ""],
        &[
            "bot", "bots", "robot", "robots", "machine", "chatbot", "computer", "ai",
        ],
    ],
    // Norwegian
    &[
        &[
            "snakke", "prate", "chatte", "snakka", "skrive", "kontakt", "settes", "settast",
        ],
        &["over", ""],
        &["med", "til"],
        &["et", "en", "eit", "ein", "noen", "nokon", ""],
        &["ekte", "virkelig", "levende", "ordentlig", ""],
        &[
            "menneske",
            "mennesker",
            "person",
            "noen",
            "nokon",
            "kundebehandler",
            "saksbehandler",
            "radgiver",
            "ansatt",
            "medarbeider",
            "operator",
            "kundeservice",
        ],
    ],
    &[
        &["vil", "onsker", "trenger", "onskjer", "treng"],
        &["a", ""],
        &["ha", "fa", ""],
        &["et", "en", "eit", "ein", ""],
        &["ekte", "virkelig", "levende", ""],
        &[
            "menneske",
            "person",
            "kundebehandler",
            "saksbehandler",
            "radgiver",
        ],
    ],
    &[
        &["ekte", "virkelig", "levende"],
        &["menneske", "mennesker", "person"],
    ],
    &[
        &["snakke", "prate", "chatte"],
        &["med"],
        &["en", "ein", ""],
        &["robot", "bot", "maskin", "chatbot"],
    ],
    // German
    &[
        &["mit"],
        &["einem", "einer", "nem", "ner", "dem", ""],
        &["echten", "richtigen", "realen", "lebenden", ""],
        &[
            "menschen",
            "mitarbeiter",
            "mitarbeiterin",
            "person",
            "berater",
            "beraterin",
            "kollegen",
            "sachbearbeiter",
            "jemandem",
            "jemanden",
            "jemand",
        ],
        &["vom", "aus", "im", "dem", ""],
        &[
            "support",
            "service",
            "team",
            "kundendienst",
            "kundenservice",
            "",
        ],
        &[
            "sprechen",
            "reden",
            "chatten",
            "schreiben",
            "telefonieren",
            "verbinden",
            "verbunden",
        ],
    ],
    &[
        &[
            "spreche",
            "sprechen",
            "rede",
            "reden",
            "chatten",
            "verbinden",
        ],
        &["sie", "mich", "ich", "bitte", ""],
        &["mich", "bitte", "lieber", ""],
        &["mit"],
        &["einem", "einer", "nem", ""],
        &["echten", "richtigen", "realen", ""],
        &[
            "menschen",
            "mitarbeiter",
            "mitarbeiterin",
            "person",
            "berater",
            "beraterin",
            "jemandem",
            "jemanden",
        ],
    ],
    &[
        &[
            "will", "mochte", "moechte", "brauche", "wunsche", "wuensche", "hatte", "haette",
        ],
        &["gerne", "gern", "lieber", "jetzt", "bitte", ""],
        &["einen", "eine", "nen", ""],
        &["echten", "echte", "richtigen", "menschlichen", "realen", ""],
        &[
            "menschen",
            "mitarbeiter",
            "mitarbeiterin",
            "berater",
            "ansprechpartner",
        ],
    ],
    &[
        &["echter", "echten", "echte", "richtiger", "richtigen"],
        &["mensch", "menschen", "person"],
    ],
    &[
        &["mit"],
        &["einem", "einer", "nem", "keinem", "dem", ""],
        &["bot", "roboter", "chatbot", "maschine", "computer"],
        &["sprechen", "reden", "chatten", "schreiben"],
    ],
    // French
    &[
        &["parler", "discuter", "echanger", "communiquer", "parle"],
        &["a", "avec"],
        &["un", "une", "l", "votre", ""],
        &["vrai", "vraie", "veritable", "autre", "etre", ""],
        &[
            "humain",
            "humaine",
            "personne",
            "conseiller",
            "conseillere",
            "agent",
            "operateur",
            "operatrice",
            "quelqu",
        ],
    ],
    &[
        &[
            "veux", "voudrais", "souhaite", "besoin", "prefere", "aimerais",
        ],
        &["d", "de", "avoir", ""],
        &["un", "une"],
        &["vrai", "vraie", "veritable", "etre", ""],
        &[
            "humain",
            "personne",
            "conseiller",
            "conseillere",
            "agent",
            "operateur",
        ],
    ],
    &[
        &["vrai", "vraie", "veritable", "etre"],
        &["humain", "personne", "conseiller"],
    ],
    &[
        &["parler", "discuter", "parle"],
        &["a", "avec"],
        &["un", "une", "le", "ce", ""],
        &["robot", "bot", "chatbot", "machine", "ordinateur"],
    ],
    // Spanish
    &[
        &[
            "hablar",
            "chatear",
            "comunicarme",
            "comunicar",
            "contactar",
            "hable",
            "conectar",
            "pasar",
        ],
        &["con"],
        &["un", "una", "el", "la", ""],
        &["ser", "verdadera", "verdadero", ""],
        &[
            "persona",
            "humano",
            "humana",
            "agente",
            "asesor",
            "asesora",
            "operador",
            "operadora",
            "representante",
            "alguien",
            "empleado",
        ],
    ],
    &[
        &["quiero", "necesito", "quisiera", "prefiero"],
        &["a", ""],
        &["un", "una"],
        &["ser", "verdadera", "verdadero", ""],
        &[
            "persona",
            "humano",
            "agente",
            "asesor",
            "operador",
            "representante",
        ],
    ],
    &[&["persona", "agente", "humano"], &["real"]],
    &[&["persona", "humano"], &["de"], &["verdad", "carne"]],
    &[&["ser"], &["humano"]],
    &[
        &["hablar", "chatear"],
        &["con"],
        &["un", "una", "el", "este", ""],
        &["robot", "bot", "chatbot", "maquina"],
    ],
];

/// Whoever writes only this wants a person.
const ALONE: &[&str] = &[
    "human",
    "person",
    "agent",
    "operator",
    "representative",
    "menneske",
    "kundebehandler",
    "saksbehandler",
    "mensch",
    "mitarbeiter",
    "berater",
    "humain",
    "conseiller",
    "operateur",
    "humano",
    "persona",
    "agente",
    "operador",
    "asesor",
];

/// What may stand beside it.
const POLITE: &[&str] = &[
    "a", "an", "please", "pls", "hello", "hi", "takk", "vaer", "sa", "snill", "en", "et", "hei",
    "bitte", "danke", "ein", "eine", "einen", "hallo", "s", "il", "vous", "te", "plait", "merci",
    "un", "une", "bonjour", "por", "favor", "gracias", "una", "hola", "thanks", "thank", "you",
    "real", "live", "now",
];

/// The words by which a text asks for a person; `None`: it does not. `more` are words or phrases that
/// an admin has added.
pub fn wants_person(text: &str, more: &[String]) -> Option<String> {
    let words = words(text);
    for start in 0..words.len() {
        let rest = words.get(start..).unwrap_or_default();
        for phrase in PHRASES {
            if let Some(length) = matched(phrase, rest) {
                return Some(rest.get(..length).unwrap_or_default().join(" "));
            }
        }
    }
    for added in more {
        let wanted = self::words(added);
        if !wanted.is_empty() && words.windows(wanted.len()).any(|here| here == wanted) {
            return Some(wanted.join(" "));
        }
    }
    let is = |list: &[&str], word: &String| list.contains(&word.as_str());
    let alone = words.iter().find(|word| is(ALONE, word))?;
    let polite = words.iter().all(|word| is(ALONE, word) || is(POLITE, word));
    polite.then(|| alone.clone())
}

/// How many words the phrase takes at the beginning of `words`.
fn matched(phrase: &[&[&str]], words: &[String]) -> Option<usize> {
    let Some((place, later)) = phrase.split_first() else {
        return Some(0);
    };
    if let Some((word, rest)) = words.split_first()
        && place.contains(&word.as_str())
        && let Some(length) = matched(later, rest)
    {
        return Some(length + 1);
    }
    place.contains(&"").then(|| matched(later, words)).flatten()
}

/// The words of a text, in lower case and without accents.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        match plain(c) {
            Some(letters) => word.push_str(letters),
            None if ('\u{300}'..='\u{36f}').contains(&c) => {}
            None if c.is_alphanumeric() => word.push(c),
            None if !word.is_empty() => words.push(std::mem::take(&mut word)),
            None => {}
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A letter without its accent, as people write it who are in a hurry.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => "a",
        'ç' => "c",
        'è' | 'é' | 'ê' | 'ë' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ñ' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
        'ù' | 'ú' | 'û' | 'ü' => "u",
        'ý' | 'ÿ' => "y",
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_asked_for_in_five_languages() {
        for text in [
            "I want to talk to a person",
            "I want a person",
            "Can I speak with someone?",
            "let me SPEAK TO A HUMAN!!!",
            "please connect me to an agent",
            "Could you transfer me to a real person please",
            "put me through to an operator",
            "I'd like to talk to customer service team",
            "Is there a real person there?",
            "I need a human being",
            "I don't want to talk to a bot.",
            "human please",
            "Agent",
            "OPERATOR!",
            "Jeg vil snakke med et menneske",
            "kan jeg få snakke med noen?",
            "Jeg vil ha en kundebehandler, takk",
            "eg vil prate med ein person",
            "Vil ikke snakke med en robot",
            "menneske",
            "Ich möchte mit einem Menschen sprechen",
            "Ich moechte mit einem Mitarbeiter reden",
            "Kann ich bitte mit jemandem sprechen?",
            "verbinden Sie mich mit einem Mitarbeiter",
            "Ich will einen echten Menschen",
            "Mitarbeiter bitte",
            "Je veux parler à une personne",
            "je voudrais parler avec quelqu'un",
            "Puis-je parler à un conseiller ?",
            "J'ai besoin d'un être humain",
            "j’ai besoin d’un humain",
            "Quiero hablar con una persona",
            "¿Puedo hablar con alguien?",
            "necesito un agente",
            "una persona real, por favor",
            "un ser humano",
        ] {
            assert!(wants_person(text, &[]).is_some(), "{text}");
        }
    }

    #[test]
    fn whoever_asks_for_something_else_keeps_the_agent() {
        for text in [
            "",
            "   ?!",
            "Where is my parcel?",
            "How many persons fit in the boat?",
            "I want a refund",
            "My personal data is wrong",
            "Can you talk me through the setup?",
            "The agent of my landlord wrote to you about this house",
            "I am a person with two accounts",
            "cleaning agent for the kitchen",
            "humane treatment of animals",
            "a table for one person",
            "Hvor mange personer er det plass til?",
            "Jeg er en person som liker kaffe",
            "Ich habe mit der Karte bezahlt",
            "Die Mitarbeiter waren sehr freundlich gestern",
            "Un billet pour une personne",
            "Una mesa para dos personas",
            "Hablar por telefono es caro",
        ] {
            assert_eq!(wants_person(text, &[]), None, "{text}");
        }
    }

    #[test]
    fn added_words_are_words_and_not_parts_of_them() {
        let more = [
            "Schmidt".to_owned(),
            "help desk".to_owned(),
            "  ".to_owned(),
        ];
        for (text, found) in [
            ("Frau SCHMIDT bitte", true),
            ("Schmidtchen", false),
            ("the help-desk", true),
            ("help my desk", false),
            ("helpdesk", false),
        ] {
            assert_eq!(wants_person(text, &more).is_some(), found, "{text}");
        }
    }

    #[test]
    fn the_words_that_were_found_are_told() {
        let found = wants_person("Well, can I speak to a REAL person now", &[]);
        assert_eq!(found.as_deref(), Some("speak to a real person"));
    }

    #[test]
    fn a_long_text_is_read_to_its_end() {
        let text = format!("{} talk to a human", "talk to a ".repeat(10_000));
        assert!(wants_person(&text, &[]).is_some());
    }
}
