//! The chatflow: what a visitor is asked before people are sought. Pure: the answers so far go in,
//! what to ask next comes out.

use std::collections::BTreeMap;

use crate::core::conversation::ContactHint;
use crate::core::snapshot::{ChatQuestion, FieldType};
use crate::core::text::is_address;

/// The longest answer, in characters: a few sentences.
pub const LONGEST_ANSWER: usize = 1_000;

/// Where a visitor stands in the questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// By question; empty where the visitor left it out.
    answers: BTreeMap<String, String>,
}

/// Why an answer was not taken, in words for the visitor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Nothing was said.
    #[error("Please answer this question.")]
    Missing,
    /// More than [`LONGEST_ANSWER`].
    #[error("That is too long: {LONGEST_ANSWER} characters at most.")]
    TooLong,
    /// Not one of the choices.
    #[error("Please choose one of the answers.")]
    NoChoice,
    /// No mail address.
    #[error("That does not look like an email address, such as name@example.com.")]
    NoAddress,
    /// No phone number.
    #[error("That does not look like a phone number, such as +47 22 33 44 55.")]
    NoPhone,
    /// No number.
    #[error("Please write a number.")]
    NoNumber,
    /// No date.
    #[error("Please write a date such as 2026-12-31.")]
    NoDate,
    /// No such question is open.
    #[error("This question is not asked now.")]
    NotAsked,
}

impl Flow {
    /// The question to ask now; `None`: all are answered.
    pub fn question<'a>(&self, questions: &'a [ChatQuestion]) -> Option<&'a ChatQuestion> {
        questions
            .iter()
            .find(|question| !self.answers.contains_key(&question.name))
    }

    /// Takes in the answer to the question that is asked now.
    ///
    /// # Errors
    /// It is another question, or the answer does not fit.
    pub fn answer(
        &mut self,
        questions: &[ChatQuestion],
        name: &str,
        text: &str,
    ) -> Result<(), AnswerError> {
        let question = self
            .question(questions)
            .filter(|question| question.name == name)
            .ok_or(AnswerError::NotAsked)?;
        let answer = check(question, text)?;
        self.answers.insert(question.name.clone(), answer);
        Ok(())
    }

    /// Takes in answers that a page remembers from before a reload, as far as they fit.
    pub fn resume(&mut self, questions: &[ChatQuestion], answers: &BTreeMap<String, String>) {
        while let Some(question) = self.question(questions) {
            let Some(text) = answers.get(&question.name) else {
                return;
            };
            if self
                .answer(questions, &question.name.clone(), text)
                .is_err()
            {
                return;
            }
        }
    }

    /// What was asked and answered, in the order asked.
    pub fn fields(&self, questions: &[ChatQuestion]) -> Vec<(String, String)> {
        let answered = questions.iter().filter_map(|question| {
            let answer = self.answers.get(&question.name)?;
            (!answer.is_empty()).then(|| (question.text.clone(), answer.clone()))
        });
        answered.collect()
    }

    /// What the answers say of the visitor. Nobody has verified it.
    pub fn contact(&self, questions: &[ChatQuestion]) -> ContactHint {
        let mut contact = ContactHint::default();
        for question in questions {
            let Some(answer) = self.answers.get(&question.name).filter(|it| !it.is_empty()) else {
                continue;
            };
            match question.field_type {
                FieldType::Name => contact.name = Some(answer.clone()),
                FieldType::Email => contact.address = Some(answer.to_lowercase()),
                FieldType::Phone => contact.number = answer.parse().ok(),
                FieldType::Text
                | FieldType::Multiline
                | FieldType::Subject
                | FieldType::Number
                | FieldType::Date
                | FieldType::Choice
                | FieldType::Checkbox
                | FieldType::File => {}
            }
        }
        contact
    }

    /// The subject that an answer gives.
    pub fn subject(&self, questions: &[ChatQuestion]) -> Option<String> {
        let question = questions
            .iter()
            .find(|question| question.field_type == FieldType::Subject)?;
        self.answers
            .get(&question.name)
            .filter(|it| !it.is_empty())
            .cloned()
    }
}

fn check(question: &ChatQuestion, text: &str) -> Result<String, AnswerError> {
    let text = text.trim();
    if text.is_empty() {
        return if question.optional {
            Ok(String::new())
        } else {
            Err(AnswerError::Missing)
        };
    }
    if text.chars().count() > LONGEST_ANSWER {
        return Err(AnswerError::TooLong);
    }
    let answer = text.to_owned();
    match question.field_type {
        FieldType::Choice if !question.choices.contains(&answer) => Err(AnswerError::NoChoice),
        FieldType::Email if !is_address(text) => Err(AnswerError::NoAddress),
        FieldType::Phone if !is_phone(text) => Err(AnswerError::NoPhone),
        FieldType::Number if text.replace(',', ".").parse::<f64>().is_err() => {
            Err(AnswerError::NoNumber)
        }
        FieldType::Date if chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_err() => {
            Err(AnswerError::NoDate)
        }
        FieldType::Phone => Ok(text.chars().filter(|c| !" -()./".contains(*c)).collect()),
        FieldType::Text
        | FieldType::Multiline
        | FieldType::Email
        | FieldType::Name
        | FieldType::Subject
        | FieldType::Number
        | FieldType::Date
        | FieldType::Choice
        | FieldType::Checkbox
        | FieldType::File => Ok(answer),
    }
}

fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (4..=15).contains(&digits)
        && text
            .chars()
            .enumerate()
            .all(|(place, c)| c.is_ascii_digit() || " -()./".contains(c) || place == 0 && c == '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, field_type: FieldType, optional: bool) -> ChatQuestion {
        ChatQuestion {
            name: name.to_owned(),
            text: format!("Your {name}?"),
            field_type,
            choices: vec!["Billing".to_owned(), "Other".to_owned()],
            optional,
        }
    }

    fn questions() -> Vec<ChatQuestion> {
        vec![
            question("name", FieldType::Name, true),
            question("email", FieldType::Email, false),
            question("topic", FieldType::Choice, false),
        ]
    }

    #[test]
    fn the_questions_come_one_after_the_other_and_then_people() {
        let questions = questions();
        let mut flow = Flow::default();
        assert_eq!(flow.question(&questions).unwrap().name, "name");
        assert_eq!(
            flow.answer(&questions, "topic", "Billing"),
            Err(AnswerError::NotAsked)
        );
        flow.answer(&questions, "name", "").unwrap();
        assert_eq!(
            flow.answer(&questions, "email", " "),
            Err(AnswerError::Missing)
        );
        flow.answer(&questions, "email", " Kari@Example.com ")
            .unwrap();
        assert_eq!(
            flow.answer(&questions, "topic", "billing"),
            Err(AnswerError::NoChoice)
        );
        flow.answer(&questions, "topic", "Billing").unwrap();
        assert_eq!(flow.question(&questions), None);
        let fields = flow.fields(&questions);
        assert_eq!(
            fields,
            [
                ("Your email?".to_owned(), "Kari@Example.com".to_owned()),
                ("Your topic?".to_owned(), "Billing".to_owned())
            ]
        );
        let contact = flow.contact(&questions);
        assert_eq!(contact.address.as_deref(), Some("kari@example.com"));
        assert!(!contact.verified);
    }

    #[test]
    fn answers_are_remembered_over_a_reload_as_far_as_they_fit() {
        let questions = questions();
        let answers = BTreeMap::from([
            ("name".to_owned(), "Kari".to_owned()),
            ("email".to_owned(), "nonsense".to_owned()),
            ("topic".to_owned(), "Billing".to_owned()),
        ]);
        let mut flow = Flow::default();
        flow.resume(&questions, &answers);
        assert_eq!(flow.question(&questions).unwrap().name, "email");
    }

    #[test]
    fn each_type_of_answer_is_checked() {
        use AnswerError::{NoAddress, NoDate, NoNumber, NoPhone, TooLong};
        let long = "x".repeat(LONGEST_ANSWER + 1);
        for (field_type, text, expected) in [
            (FieldType::Email, "a@b.no", Ok("a@b.no")),
            (FieldType::Email, "a@b", Err(NoAddress)),
            (FieldType::Email, "a b@c.no", Err(NoAddress)),
            (FieldType::Email, "a@b.no\r\nBcc: x@y.no", Err(NoAddress)),
            (FieldType::Phone, "+47 22 33-44 55", Ok("+4722334455")),
            (FieldType::Phone, "call me", Err(NoPhone)),
            (FieldType::Phone, "47+22334455", Err(NoPhone)),
            (FieldType::Number, "3,5", Ok("3,5")),
            (FieldType::Number, "three", Err(NoNumber)),
            (FieldType::Date, "2026-12-31", Ok("2026-12-31")),
            (FieldType::Date, "31.12.2026", Err(NoDate)),
            (FieldType::Text, &long, Err(TooLong)),
            (FieldType::Text, "<b>hi</b>", Ok("<b>hi</b>")),
        ] {
            let answer = check(&question("q", field_type, false), text);
            assert_eq!(
                answer,
                expected.map(str::to_owned),
                "{field_type:?} {text:.40}"
            );
        }
    }
}
