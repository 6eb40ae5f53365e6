//! A file with the colours of a theme.

use std::fs;

use super::theme::{Background, Paint, Palette};

/// Reads a theme: `background = "dark"` or `"light"`, then colours by their names, written `#rrggbb`. What is not said
/// is as the background has it.
pub(super) fn read(file: &str) -> Result<Palette, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    parse(&text)
}

fn parse(text: &str) -> Result<Palette, String> {
    let mut table: toml::Table = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let background = match table.remove("background").as_ref().map(toml::Value::as_str) {
        None | Some(Some("dark")) => Background::Dark,
        Some(Some("light")) => Background::Light,
        Some(_) => return Err("background is dark or light".into()),
    };
    let mut palette = Palette::of(background);
    for (name, value) in table {
        if name == "names" {
            let names =
                value.as_array().filter(|names| !names.is_empty()).ok_or("names is a list of colours")?;
            palette.names = names.iter().map(paint).collect::<Result<_, _>>()?;
            continue;
        }
        let place = match name.as_str() {
            "quiet" => &mut palette.quiet,
            "alarm" => &mut palette.alarm,
            "mention" => &mut palette.mention,
            "unread" => &mut palette.unread,
            "bar-text" => &mut palette.bar_text,
            "bar" => &mut palette.bar,
            "border" => &mut palette.border,
            "active" => &mut palette.active,
            "chosen-text" => &mut palette.chosen_text,
            "chosen" => &mut palette.chosen,
            "popup-text" => &mut palette.popup_text,
            "popup" => &mut palette.popup,
            "link" => &mut palette.link,
            _ => return Err(format!("nothing is called {name}")),
        };
        *place = paint(&value)?;
    }
    Ok(palette)
}

fn paint(value: &toml::Value) -> Result<Paint, String> {
    let colour = || {
        let digits = value.as_str()?.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some((part(0)?, part(2)?, part(4)?))
    };
    colour().map(Paint::of).ok_or_else(|| format!("{value} is no colour; they are written #rrggbb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_changes_what_it_names() {
        let palette = parse("background = \"light\"\nalarm = \"#ff0000\"\nnames = [\"#00cd00\"]").unwrap();
        assert_eq!(palette.alarm, Paint { rgb: (255, 0, 0), sixteenth: 9 });
        assert_eq!(palette.names, [Paint { rgb: (0, 205, 0), sixteenth: 2 }]);
        assert_eq!(palette.quiet, Palette::of(Background::Light).quiet);
    }

    #[test]
    fn what_is_wrong_with_a_theme_is_named() {
        let error = |text| parse(text).unwrap_err();
        assert_eq!(error("alram = \"#ff0000\""), "nothing is called alram");
        assert_eq!(error("alarm = \"red\""), "\"red\" is no colour; they are written #rrggbb");
        assert_eq!(error("background = \"grey\""), "background is dark or light");
        assert!(parse("names = []").is_err() && parse("alarm = \"#ff00é\"").is_err());
    }
}
