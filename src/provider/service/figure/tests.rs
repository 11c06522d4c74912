use super::*;
use crate::properties;
use crate::provider::document::Document;
use proptest::prelude::*;

const NO_BREAK: char = '\u{a0}';
const NARROW: char = '\u{202f}';
const THIN: char = '\u{2009}';

/// The value of a JSON document.
fn json(text: &str) -> Value {
    Document::read(text.as_bytes()).expect("readable").root().clone()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn decimal(text: &str) -> Decimal {
    scale(&Value::Text(text.into())).expect("a scale")
}

fn limited(quantity: Result<Quantity, String>) -> Result<f64, String> {
    match quantity? {
        Quantity::Limited(figure) => Ok(figure.get()),
        Quantity::Unlimited => Err("unlimited".to_owned()),
    }
}

fn plainly(value: &Value, scale: &str) -> Result<f64, String> {
    limited(FigureFormat::default().read(value, decimal(scale)))
}

fn format(decimal: Option<char>, group: Option<char>, unit: Option<&str>) -> NumberFormat {
    NumberFormat { decimal, group, unit: unit.map(Into::into) }
}

fn formatted(format: NumberFormat, written: &str) -> Result<f64, String> {
    limited(FigureFormat { number: Some(format), ..FigureFormat::default() }.read(&text(written), Decimal::ONE))
}

fn hexadecimal(written: &str, scale: &str) -> Result<f64, String> {
    limited(FigureFormat { base: Base::Sixteen, ..FigureFormat::default() }.read(&text(written), decimal(scale)))
}

#[test]
fn without_a_format_only_plain_numbers_are_figures() {
    let good = [
        ("0", 0.0),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("18446744073709551615", 18_446_744_073_709_551_615.0),
        ("\"19023.9\"", 19023.9),
        ("\" 72029 \"", 72029.0),
        ("\"-0\"", 0.0),
        ("\"0e99999999999999999999999\"", 0.0),
        ("\"+.5\"", 0.5),
    ];
    for (json_text, number) in good {
        let read = plainly(&json(json_text), "1");
        assert_eq!(read, Ok(number), "{json_text}");
        assert!(read.is_ok_and(|read| read.to_bits() == number.to_bits()), "{json_text}");
    }
    for bad in [
        "\"NaN\"",
        "\"inf\"",
        "\"1e999\"",
        "\"1e-999\"",
        "\"0x10\"",
        "\"1,5\"",
        "\"1 000\"",
        "\"12 RUB\"",
        "\"\u{2212}1\"",
        "\"1_0\"",
        "\"١\"",
    ] {
        let hint = "a text where a number is wanted; `number` describes numbers with units, groups or a comma";
        assert_eq!(plainly(&json(bad), "1"), Err(hint.to_owned()), "{bad}");
    }
    for (bad, kind) in
        [("null", "null"), ("true", "true or false"), ("[1]", "a list"), ("{}", "an object"), ("\" \"", "an empty text")]
    {
        assert_eq!(plainly(&json(bad), "1"), Err(format!("{kind} where a number is wanted")));
    }
}

#[test]
fn a_product_is_exact_and_rounded_once() {
    let cases = [
        ("1234567", "0.01", 12345.67),
        ("0.1", "3", 0.3),
        ("551564495", "0.0000005", 275.782_247_5),
        // CloudSigma states amounts with 26 digits.
        ("12345678.901234567890123456", "1", 12_345_678.901_234_567),
        ("158972490234375000", "1e-18", 0.158_972_490_234_375),
        ("123456789012345678901234", "1e-18", 123_456.789_012_345_68),
        ("12345678901234567890123456", "1e-18", 12_345_678.901_234_567),
        ("-12345678901234567890123456", "-1e-18", 12_345_678.901_234_567),
        // A `Decimal` would round these products to 0.
        ("0.0000000001", "1e-28", 1e-38),
        ("1e-28", "1e-28", 1e-56),
        ("79228162514264337593543950335", "79228162514264337593543950335", 6.277_101_735_386_681e57),
    ];
    for (number, scale, product) in cases {
        assert_eq!(plainly(&text(number), scale), Ok(product), "{number} × {scale}");
    }
    let outside = Err("a number that no float can hold after `scale`".to_owned());
    assert_eq!(plainly(&text("1e300"), "1000000000"), outside);
    assert_eq!(plainly(&text("1e-300"), "1e-28"), outside);
    assert_eq!(plainly(&text(&"1".repeat(300)), "1e-28"), Ok("1".repeat(272).parse().expect("a float")));
}

#[test]
fn a_format_reads_groups_units_and_signs() {
    let russian = || format(Some(','), Some(' '), Some("₽"));
    for (written, number) in [
        ("1 234,56 ₽", 1234.56),
        ("1234,56₽", 1234.56),
        ("₽1 234,56", 1234.56),
        (" ₽ 1 234 567 ", 1_234_567.0),
        ("\u{2212}1 234,56 ₽", -1234.56),
        ("-₽5", -5.0),
        ("₽ -5", -5.0),
        ("+12,0 ₽", 12.0),
        ("\u{2212}0,00 ₽", 0.0),
        (",5 ₽", 0.5),
        ("007 ₽", 7.0),
    ] {
        assert_eq!(formatted(russian(), written), Ok(number), "{written}");
    }
    for space in [' ', NO_BREAK, NARROW, THIN] {
        assert_eq!(formatted(russian(), &format!("12{space}345,6{space}₽{space}")), Ok(12345.6));
        assert_eq!(formatted(format(None, Some(space), None), "12 345\u{a0}678"), Ok(12_345_678.0));
    }
    assert_eq!(formatted(format(Some('.'), Some(','), Some("USD")), "USD 1,234.5"), Ok(1234.5));
    assert_eq!(formatted(format(Some('.'), Some('\''), None), "1'234.5"), Ok(1234.5));
    assert_eq!(formatted(format(Some(','), Some('.'), Some("руб.")), "1.234 руб."), Ok(1234.0));
    assert_eq!(formatted(format(Some('.'), Some(' '), Some("руб.")), "руб.1 234.5"), Ok(1234.5));
    assert_eq!(formatted(format(None, None, Some(" SMS ")), "15 SMS"), Ok(15.0));
}

#[test]
fn what_a_format_does_not_describe_is_an_error() {
    for written in [
        "1 23,4 ₽",
        "12 34 ₽",
        "1234 567 ₽",
        "1 2345 ₽",
        "1  234 ₽",
        " 1 234, ₽",
        ", ₽",
        "₽",
        "",
        "1 234,5 6 ₽",
        "1,2,3 ₽",
        "0 123 ₽",
        "1.5 ₽",
        "1_000 ₽",
        "1'000 ₽",
        "1 234,56",
        "1 234,56 $",
        "₽ 5 ₽",
        "- 5 ₽",
        "--5 ₽",
        "-₽-5",
        "₽5-",
        "(5) ₽",
        "1e3 ₽",
        "NaN ₽",
        "0x10 ₽",
        "5 ₽ 6",
        "١ ₽",
        " ,123 456 ₽",
        "1 234 ,5 ₽",
    ] {
        let read = formatted(format(Some(','), Some(' '), Some("₽")), written);
        let kind = text(written).kind();
        assert!(
            read.as_ref().is_err_and(|error| error.starts_with(&format!("{kind} where a number is wanted"))),
            "{written}: {read:?}"
        );
    }
    assert!(formatted(format(None, None, Some("₽")), "1.234 ₽").is_err(), "1.234 or 1234?");
    assert!(formatted(format(None, Some(','), None), "1,234.5").is_err());
    assert!(formatted(format(Some(','), None, None), "1 234,5").is_err());
    assert!(formatted(format(Some(','), None, None), &"9".repeat(400)).is_err());
    let described = FigureFormat { number: Some(format(Some(','), None, None)), ..FigureFormat::default() };
    assert_eq!(limited(described.read(&json("1.5"), Decimal::ONE)), Ok(1.5), "a JSON number has its own form");
}

#[test]
fn a_format_that_leaves_a_guess_is_a_problem() {
    assert_eq!(format(Some(','), Some(' '), Some("руб.")).problem(), None);
    assert_eq!(format(None, None, None).problem(), None);
    assert_eq!(format(Some(','), Some(','), None).problem(), Some(("group", "is the same character as decimal; correct one")));
    for decimal in [' ', NO_BREAK, '1', 'e', '-', '\u{2212}', '\n'] {
        assert!(format(Some(decimal), None, None).problem().is_some(), "{decimal:?}");
    }
    for group in ['1', 'x', '+', '\n'] {
        assert!(format(None, Some(group), None).problem().is_some(), "{group:?}");
    }
    for unit in ["", " ", "5", "-$", "\u{0}"] {
        assert!(format(None, None, Some(unit)).problem().is_some(), "{unit:?}");
    }
}

#[test]
fn hexadecimal_numbers_have_up_to_256_bits() {
    for (written, scale, number) in [
        ("0x0", "1", 0.0),
        ("0x234c8a3397aab58", "1e-18", 0.158_972_490_234_375),
        (" 0X1BC16D674EC80000 ", "1e-18", 2.0),
        ("0x6d1a6c48", "0.000001", 1_830.448_2),
        ("0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "1", 1.157_920_892_373_162e77),
        ("0x0000000000000000000000000000000000000000000000000000000000000001", "1", 1.0),
    ] {
        assert_eq!(hexadecimal(written, scale), Ok(number), "{written}");
    }
    let long = format!("0x1{}", "0".repeat(64));
    for wrong in
        ["0x", "0", "", "10", "x10", "0x1g", "-0x1", "0x-1", "0x+1", "0x 1", "0x1 2", "0x1.0", "0x1_0", "0x٣", "0x0x1", &long]
    {
        assert!(hexadecimal(wrong, "1").is_err(), "{wrong}");
    }
    let sixteen = FigureFormat { base: Base::Sixteen, ..FigureFormat::default() };
    let error = "a number where a text with a hexadecimal number is wanted: `0x` and 1 to 64 digits";
    assert_eq!(sixteen.read(&json("10"), Decimal::ONE), Err(error.to_owned()));
}

#[test]
fn listed_values_mean_unlimited() {
    let described =
        FigureFormat { unlimited: vec![text("Безлимит"), json("-1"), Value::Null], ..FigureFormat::default() };
    for unlimited in ["\" БЕЗЛИМИТ \"", "\"безлимит\"", "-1", "-1.0", "-10e-1", "\"-1\"", "\"-1.00\"", "null"] {
        assert_eq!(described.read(&json(unlimited), decimal("0.01")), Ok(Quantity::Unlimited), "{unlimited}");
    }
    for other in ["\"Без лимита\"", "\"\"", "true", "[-1]", "\"null\"", "\"-1x\""] {
        assert!(described.read(&json(other), Decimal::ONE).is_err(), "{other}");
    }
    assert_eq!(limited(described.read(&json("-1.01"), Decimal::ONE)), Ok(-1.01));
    assert_eq!(limited(described.read(&json("-100"), decimal("0.01"))), Ok(-1.0), "numbers are compared before they are scaled");
    let sixteen = FigureFormat { base: Base::Sixteen, unlimited: vec![json("-1")], ..FigureFormat::default() };
    assert_eq!(sixteen.read(&json("-1.0"), Decimal::ONE), Ok(Quantity::Unlimited));
    let listed_text = FigureFormat { unlimited: vec![text("-1")], ..FigureFormat::default() };
    assert_eq!(listed_text.read(&json("-1"), Decimal::ONE), Ok(Quantity::Unlimited));
    assert!(listed_text.read(&Value::Null, Decimal::ONE).is_err());
    let number = Some(format(None, None, Some("шт.")));
    let formatted = FigureFormat { number, unlimited: vec![json("-1")], ..FigureFormat::default() };
    assert_eq!(formatted.read(&text("\u{2212}1 шт."), Decimal::ONE), Ok(Quantity::Unlimited));
    let most = text(&format!("0x{}", "F".repeat(64)));
    let sixteen = FigureFormat { base: Base::Sixteen, unlimited: vec![most], ..FigureFormat::default() };
    assert_eq!(sixteen.read(&text(&format!("0x{}", "f".repeat(64))), Decimal::ONE), Ok(Quantity::Unlimited));
}

#[test]
fn a_scale_is_an_exact_number_that_is_not_zero() {
    assert_eq!(scale(&json("1e-18")).map(|scale| scale.to_string()).as_deref(), Ok("0.000000000000000001"));
    assert_eq!(scale(&text(" -0.010 ")).map(|scale| scale.to_string()).as_deref(), Ok("-0.01"));
    assert_eq!(scale(&json("1e6")), Ok(Decimal::from(1_000_000)));
    assert_eq!(scale(&json("1e-28")).map(|scale| scale.to_string()).as_deref(), Ok("0.0000000000000000000000000001"));
    for zero in ["0", "-0.0", "\"0\"", "0e5"] {
        assert_eq!(scale(&json(zero)), Err("0 where a scale is wanted, which is never 0".to_owned()), "{zero}");
    }
    for long in ["1e-29", "1e29", "1e300", "123456789012345678901234567890", "0.12345678901234567890123456789"] {
        assert_eq!(scale(&json(long)), Err("a number of more than 28 digits where a scale is wanted".to_owned()), "{long}");
    }
    assert_eq!(scale(&Value::Null), Err("null where a number is wanted".to_owned()));
    assert!(scale(&text("1/100")).is_err());
}

#[test]
fn a_label_is_a_text_or_an_integer_with_every_digit() {
    for (value, cleaned) in [
        ("\" МТС \"", "МТС"),
        ("\"a\\u0000b\"", "a b"),
        ("\"\\u0000 a\"", "a"),
        ("\"1e3\"", "1e3"),
        ("\" \"", ""),
        ("123456789012345678901", "123456789012345678901"),
        ("-7", "-7"),
    ] {
        assert_eq!(label(&json(value)).as_deref(), Ok(cleaned), "{value}");
    }
    for (wrong, kind) in [("null", "null"), ("true", "true or false"), ("[]", "a list"), ("{}", "an object")] {
        assert_eq!(label(&json(wrong)), Err(format!("{kind} where a text is wanted")));
    }
    for fraction in ["1.0", "1e3", "1E3", "0.5"] {
        let error = "a number with a fraction or an exponent where a text or an integer is wanted";
        assert_eq!(label(&json(fraction)), Err(error.to_owned()), "{fraction}");
    }
}

#[test]
fn a_label_is_cut_after_it_is_trimmed() {
    let long = "é".repeat(300);
    assert_eq!(label(&text(&format!("{}{long}", " ".repeat(500)))), Ok("é".repeat(200)));
    assert_eq!(label(&text(&format!("{}    tail", "x".repeat(197)))), Ok("x".repeat(197)), "no space is left at the cut");
    assert_eq!(label(&text(&"\u{0}".repeat(300))), Ok(String::new()));
    assert_eq!(label(&json(&"7".repeat(300))), Ok("7".repeat(200)));
    let token = "x".repeat(2000);
    assert_eq!(whole(&text(&format!(" {token}\n"))), Ok(token.as_str()), "what is no label is not cut");
}

/// A number, as plain digits and as written in the format.
fn written() -> impl Strategy<Value = (NumberFormat, String, String)> {
    let decimals = prop_oneof![Just('.'), Just(','), Just('·')];
    let groups = prop::option::of(prop_oneof![Just('.'), Just(','), Just(' '), Just('\u{a0}'), Just('\''), Just('’')]);
    let units = prop::option::of(prop_oneof![Just("₽"), Just("USD"), Just("руб."), Just("% left")]);
    let parts = ("0|[1-9][0-9]{0,14}", prop::option::of("[0-9]{1,12}"), any::<bool>());
    (decimals, groups, units, parts, 0..4usize, any::<bool>()).prop_filter_map(
        "the separators must differ",
        |(decimal, group, unit, (whole, fraction, minus), place, spaced)| {
            let format = NumberFormat { decimal: Some(decimal), group, unit: unit.map(Into::into) };
            let head = whole.len() % 3;
            let (first, rest) = whole.split_at(head);
            let mut pieces: Vec<&str> = if head > 0 { vec![first] } else { Vec::new() };
            pieces.extend((0..rest.len() / 3).map(|i| &rest[i * 3..i * 3 + 3]));
            let grouped = pieces.join(&group.map(String::from).unwrap_or_default());
            let number = grouped + &fraction.as_ref().map(|fraction| format!("{decimal}{fraction}")).unwrap_or_default();
            let plain = format!("{}{whole}.{}", if minus { "-" } else { "" }, fraction.unwrap_or("0".to_owned()));
            let sign = if minus { ["-", "\u{2212}"][place % 2] } else { "" };
            let space = if spaced { "\u{a0}" } else { "" };
            let text = match (unit, place) {
                (None, _) => format!("{sign}{number}"),
                (Some(unit), 0) => format!("{sign}{number}{space}{unit}"),
                (Some(unit), 1) => format!("{sign}{unit}{space}{number}"),
                (Some(unit), _) => format!("{unit}{space}{sign}{number}"),
            };
            format.problem().is_none().then_some((format, plain, text))
        },
    )
}

proptest! {
    #![proptest_config(properties::config())]

    #[test]
    fn a_written_number_is_read_back((format, plain, text) in written()) {
        let expected: f64 = plain.parse().expect("a float");
        prop_assert_eq!(formatted(format, &text), Ok(expected + 0.0), "{}", text);
    }

    #[test]
    fn a_product_is_that_of_decimals(number in -1_000_000_000_000_000i64..1_000_000_000_000_000, places in 0u32..13, factor in 1i64..1_000_000_000, down in 0u32..10) {
        let (number, factor) = (Decimal::new(number, places), Decimal::new(factor, down));
        let exact = number.checked_mul(factor).expect("fewer than 28 digits").to_string();
        let read = FigureFormat::default().read(&text(&number.to_string()), factor);
        prop_assert_eq!(limited(read), Ok(exact.parse::<f64>().expect("a float") + 0.0));
    }

    #[test]
    fn hexadecimal_is_that_of_the_standard_library(number: u128) {
        let decimal: f64 = number.to_string().parse().expect("a float");
        prop_assert_eq!(hexadecimal(&format!("0x{number:x}"), "1"), Ok(decimal));
        prop_assert_eq!(hexadecimal(&format!("0X{number:064X}"), "1"), Ok(decimal));
    }

    #[test]
    fn any_text_is_a_figure_or_an_error(written in "\\PC*|[-+0-9., ₽eEx\u{a0}\u{2212}]{0,20}", decimal in any::<char>(), group in any::<char>(), unit in "\\PC{0,3}") {
        let _ = formatted(format(Some(decimal), Some(group), Some(&unit)), &written);
        let _ = hexadecimal(&written, "1e-18");
        let _ = scale(&text(&written));
        prop_assert!(label(&text(&written)).is_ok_and(|label| label.chars().count() <= 200 && label.trim() == label));
        if let Ok(number) = plainly(&text(&written), "1") {
            prop_assert_eq!(written.trim().parse(), Ok(number));
        }
    }
}
