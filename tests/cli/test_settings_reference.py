"""What is documented about settings is what the settings are."""

from app.cli.settings_reference import FILES, documented
from app.settings import Settings, load


def test_the_generated_files_are_up_to_date() -> None:
    stale = [path.name for path, text in FILES.items() if path.read_text(encoding="utf-8") != text()]
    assert stale == [], "run `python -m app.cli.settings_reference`"


def test_every_setting_is_documented_under_our_prefix() -> None:
    names = [setting.names[0] for setting in documented()]
    assert len(names) == len(set(names)) == len(Settings.model_fields)
    assert all(name.startswith("POSTRIDER_") for name in names)


def test_the_defaults_of_the_example_file_are_the_defaults() -> None:
    written = {setting.names[0]: setting.default for setting in documented() if setting.default}
    # Parsing what is written gives what is the default without it.
    fields = {name: field for name, field in Settings.model_fields.items() if field.default not in (None, "")}
    again = load(_env_file=None, **{name.removeprefix("POSTRIDER_").lower(): text for name, text in written.items()})
    assert len(written) == len(fields)
    for name, field in fields.items():
        assert getattr(again, name) == field.default, name
