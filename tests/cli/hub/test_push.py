"""`textgen push`: three files, one commit, and nothing that says who or where."""

import hashlib
import json
import re
import socket

import pytest

THREE = {"model.safetensors", "config.json", "README.md"}


def metadata_of(model):
    """What the head of a model file says."""
    head = json.loads(model[8 : 8 + int.from_bytes(model[:8], "little")])
    return json.loads(head["__metadata__"]["lstm_textgen"])


def test_three_files_and_nothing_else_of_the_folder(textgen, trained, hub, env):
    """The run holds state, log and lock too; the model arrives byte for byte."""
    assert {path.name for path in trained.run.iterdir()} > {"model.safetensors"}

    done = textgen("push", trained.run, "alice/book", env=env)

    assert done.code == 0, done.stderr
    [(commit, message, files)] = hub.commits("alice/book")
    assert done.stdout == f"hf://alice/book@{commit}\n"
    assert message.startswith("A model of textgen ")
    assert set(files) == THREE
    assert files["model.safetensors"] == trained.model.read_bytes()
    assert not hub.repository("alice/book")["private"]
    assert f"{hub.address}/alice/book" in done.stderr


def test_what_was_pushed_here_writes_the_same_there(
    textgen, trained, hub, env, tmp_path
):
    """Pushed from one folder and pulled into another, with a cache of its own."""
    words = ("-n", "300", "--seed", "11", "--prompt", "Said the ")
    here = textgen("sample", trained.model, *words)
    assert textgen("push", trained.run, "alice/book", env=env).code == 0
    bob = env | {"HF_TOKEN": "hf_bob", "HF_HOME": str(tmp_path / "bob")}
    pulled = textgen("pull", "alice/book", "-o", "other/place", env=bob)
    there = textgen("sample", "other/place", *words)
    named = textgen("sample", "hf://alice/book", *words, env=bob)

    assert pulled.stdout == "other/place/model.safetensors\n", pulled.stderr
    assert here.stdout.startswith("Said the ")
    assert there.stdout == here.stdout
    assert named.stdout == here.stdout


def test_the_command_on_the_page_draws_the_sample_on_the_page(
    textgen, trained, hub, env
):
    """Word for word, so whoever reads it can see that the model is that one."""
    textgen("push", trained.run, "alice/book", env=env)
    page = hub.files("alice/book")["README.md"].decode()
    command = re.search(r"^    textgen (sample hf://.*)$", page, re.MULTILINE)[1]
    drawn = textgen(*command.split(), "--quiet", env=env)

    assert drawn.code == 0, drawn.stderr
    assert f"```text\n{drawn.stdout.rstrip()}" in page


def test_settings_and_page_say_what_the_model_says(textgen, trained, hub, env):
    """config.json repeats the model's head, and adds how the run was set."""
    textgen("push", trained.run, "alice/book", env=env)
    files = hub.files("alice/book")
    settings = json.loads(files["config.json"])
    metadata = metadata_of(files["model.safetensors"])
    run = settings.pop("run")
    nats = trained.outcome.json["validation_nats_per_char"]
    page = files["README.md"].decode()

    assert settings.pop("library") == "lstm-textgen"
    assert settings.items() <= metadata.items()
    assert set(metadata) - set(settings) == {"tensors_sha256", "metadata_sha256"}
    assert run == json.loads((trained.run / "run.json").read_text())["config"]
    assert f"{nats:.4f} nats" in page
    assert f"value: {nats / 0.6931471805599453:.4f}\n" in page
    assert hashlib.sha256(trained.text.read_bytes()).hexdigest() in page


def test_a_run_that_has_ended_keeps_its_settings(textgen, trained, hub, env):
    """
    Its model has learned what to begin with, of which the run itself knows nothing.

    Such a page once said nothing of windows, rate and dropout.
    """
    run = textgen.folder / "long"
    textgen.train(trained.text, "--steps", "40", "-o", run)
    textgen("push", run, "alice/long", env=env)
    files = hub.files("alice/long")
    settings = json.loads(files["config.json"])

    assert settings["model"]["initial_state"] == "learned"
    assert settings["run"]["budget"]["steps"] == 40
    page = files["README.md"].decode()
    assert "- initial state: learned when the run had ended\n" in page
    assert "- windows: 4 streams of 16 characters\n" in page


def test_a_licence_goes_into_all_three(textgen, trained, hub, env):
    """Into the model too, whose weights stay as they are."""
    textgen("push", trained.run, "alice/book", "--licence", "CC0-1.0", env=env)
    files = hub.files("alice/book")
    before = metadata_of(trained.model.read_bytes())
    after = metadata_of(files["model.safetensors"])

    assert after["licence"] == "CC0-1.0"
    assert json.loads(files["config.json"])["licence"] == "CC0-1.0"
    assert "\nlicense: cc0-1.0\n" in files["README.md"].decode()
    assert after["tensors_sha256"] == before["tensors_sha256"]


def test_a_file_alone_is_enough(textgen, trained, hub, env):
    """Without a run there are no settings of one and no picture; the rest is there."""
    textgen.write("mine.safetensors", trained.model.read_bytes())
    words = ("--message", "First", "--language", "en")
    done = textgen("push", "mine.safetensors", "alice/mine", *words, env=env)
    [(_, message, files)] = hub.commits("alice/mine")

    assert done.code == 0, done.stderr
    assert message == "First"
    assert "run" not in json.loads(files["config.json"])
    assert "│" not in files["README.md"].decode()
    assert '\nlanguage:\n- "en"\n' in files["README.md"].decode()


def test_a_bundled_model_knows_its_language(textgen, hub, env):
    """Its text is a corpus with a name, and the same byte for byte."""
    shown = textgen("push", "fables", "alice/fables", "--dry-run", env=env)

    assert '\nlanguage:\n- "en"\n' in shown.stdout
    assert "\nlicense: cc0-1.0\n" in shown.stdout


def test_dry_run_shows_everything_and_sends_nothing(textgen, trained, hub, env):
    """Files and sizes, each value of the head, the page; what is sent is that."""
    words = ("push", trained.run, "alice/book")
    shown = textgen(*words, "--dry-run", env=env)
    told = textgen(*words, "--dry-run", "--json", env=env).json
    assert hub.steps() == []
    textgen(*words, env=env)
    files = hub.files("alice/book")
    metadata = metadata_of(files["model.safetensors"])

    assert {entry["name"] for entry in told["files"]} == THREE
    for entry in told["files"]:
        data = files[entry["name"]]
        assert entry["size_bytes"] == len(data)
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert f"{len(data):,} bytes" in shown.stdout
        assert entry["sha256"] in shown.stdout
    assert told["metadata"] == {"lstm_textgen": metadata}
    assert told["card"] == files["README.md"].decode()
    assert told["card"] in shown.stdout
    for value in leaves(metadata) + leaves(json.loads(files["config.json"])):
        assert json.dumps(value, ensure_ascii=False) in shown.stdout


def leaves(value):
    """All values in an object, however deep."""
    if isinstance(value, dict):
        return [leaf for child in value.values() for leaf in leaves(child)]
    return [value]


def test_no_path_host_or_user_leaves(textgen, trained, env, hub):
    """Not in what the dry run shows, and not in any byte of the three files."""
    person = {"USER": "zaphod", "LOGNAME": "zaphod", "HOSTNAME": "heart-of-gold"}
    words = ("push", trained.run, "alice/book")
    shown = textgen(*words, "--dry-run", env=env | person)
    textgen(*words, env=env | person)
    sent = b"\n".join(hub.files("alice/book").values())
    folders = {part for part in trained.run.parts if len(part) > 4} - {"checkpoints"}
    secrets = folders | {"zaphod", "heart-of-gold", socket.gethostname(), "hf_alice"}
    secrets |= {str(trained.run), str(textgen.folder), env["HF_HOME"], "/tmp", "/home"}

    assert shown.code == 0, shown.stderr
    assert [s for s in secrets if s in shown.stdout] == []
    assert [s for s in secrets if s.encode() in sent] == []


def test_dry_run_needs_no_client(textgen, trained, env, tmp_path):
    """It works where huggingface_hub is not installed; a push says how to get it."""
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "huggingface_hub.py").write_text("raise ImportError('not here')\n")
    textgen.environment = textgen.environment | env | {"PYTHONPATH": str(absent)}
    words = ("push", str(trained.run), "alice/book")

    assert textgen.run(*words, "--dry-run").code == 0
    refused = textgen.run(*words)
    refused.assert_refused(69, "huggingface_hub", "pip install 'lstm-textgen[hub]'")


def test_private_is_private(textgen, trained, hub, env):
    """A new repository is its owner's; one that everybody sees is left alone."""
    textgen("push", trained.run, "alice/secret", "--private", env=env)
    hub.seed("alice/open", **{"README.md": b"# open\n"})
    refused = textgen("push", trained.run, "alice/open", "--private", env=env)

    assert hub.repository("alice/secret")["private"]
    refused.assert_refused(73, "alice/open", "everybody can see it", "--private")
    assert set(hub.files("alice/open")) == {"README.md"}


@pytest.mark.parametrize(
    "name", ["alice", "alice/", "/book", "alice/book/x", "../book", "alice/a b", "a/.."]
)
def test_a_name_that_is_none(textgen, trained, hub, env, name):
    """Refused before the hub is asked for anything."""
    refused = textgen("push", trained.run, name, env=env)

    refused.assert_refused(2, repr(name), "user/repo")
    assert hub.steps() == []


def test_a_push_makes_the_revision(textgen, trained, hub, env):
    """It cannot be chosen."""
    refused = textgen("push", trained.run, "alice/book@v2", env=env)

    refused.assert_refused(2, "revision", "Push to alice/book.")


def test_a_damaged_model_is_not_shared(textgen, trained, hub, env):
    """It is read as strictly as one that arrives."""
    data = bytearray(trained.model.read_bytes())
    data[-1] ^= 1
    textgen.write("bad.safetensors", bytes(data))

    textgen("push", "bad.safetensors", "alice/bad", env=env).assert_refused(
        65, "sha256"
    )
    assert hub.steps() == []


def test_the_same_model_again_makes_no_second_commit(textgen, trained, hub, env):
    """And its bytes are not sent again; JSON names the commit that is there."""
    words = ("push", trained.run, "alice/book", "--json")
    first, second = (textgen(*words, env=env).json for _ in range(2))
    [(commit, _, _)] = hub.commits("alice/book")

    assert first == second
    assert first == {
        "repository": "alice/book",
        "commit": commit,
        "address": f"{hub.address}/alice/book",
    }
    assert hub.steps().count("upload") == 1


@pytest.mark.parametrize("step", ["create", "preupload", "batch", "upload", "commit"])
def test_a_push_that_breaks_off_is_finished_by_the_next(
    textgen, trained, hub, env, step
):
    """Nothing is half there in between, and the model is stored once."""
    hub.misbehave(step, "drop")
    broken = textgen("push", trained.run, "alice/book", env=env)
    between = hub.commits("alice/book")
    hub.misbehave(step, "", 0)
    done = textgen("push", trained.run, "alice/book", env=env)

    broken.assert_refused(69, "127.0.0.1", "again")
    assert between == []
    assert done.code == 0, done.stderr
    [(_, _, files)] = hub.commits("alice/book")
    assert set(files) == THREE
    if step == "commit":
        assert hub.steps().count("upload") == 1


@pytest.mark.parametrize(
    ("mood", "code", "words"),
    [
        ("401", 77, ["hf auth login"]),
        ("403", 77, ["403"]),
        ("404", 66, ["alice/book"]),
        ("429", 69, ["429", "Wait"]),
        ("500", 69, ["500", "later"]),
        ("html", 69, ["127.0.0.1"]),
    ],
)
@pytest.mark.parametrize("step", ["create", "commit"])
def test_a_server_that_refuses(textgen, trained, hub, env, step, mood, code, words):
    """Each refusal has its exit code, at whichever step it comes."""
    hub.misbehave(step, mood)
    refused = textgen("push", trained.run, "alice/book", env=env)

    refused.assert_refused(code, *words)
    assert hub.files("alice/book") == {}


def test_a_page_that_the_hub_refuses(textgen, trained, hub, env):
    """
    Its words are shown, safe ones only, and no empty repository is left behind.

    The client makes a `ValueError` of it, which was once taken for nonsense.
    """
    hub.misbehave("yaml", "refuse")
    words = ("push", trained.run, "alice/book", "--language", "xx")
    refused = textgen(*words, env=env)

    refused.assert_refused(65, "language is odd", "--language")
    assert "\x1b" not in refused.stderr
    assert hub.repository("alice/book") is None


@pytest.mark.parametrize("language", ["EN", "éé", "e", "engl", "e1", ""])
def test_a_language_that_is_no_code(textgen, trained, hub, env, language):
    """The hub would refuse it, or show it as none."""
    words = ("push", trained.run, "alice/book", "--language", language)

    textgen(*words, env=env).assert_refused(2, repr(language), "small letters")
    assert hub.steps() == []


def test_a_warning_of_the_server_steers_no_terminal(textgen, trained, hub, env):
    """The client prints it as it comes, past the one place that makes text safe."""
    hub.misbehave("yaml", "warn")
    with textgen.screen() as screen:
        done = textgen("push", trained.run, "alice/book", env=env, stderr=screen)

    assert done.code == 0
    assert "yaml" in hub.steps()
    assert "alice/book" in screen.text
    assert "\x1b" not in screen.text


def test_without_a_login(textgen, trained, hub, env):
    """It says how to log in."""
    nobody = {k: v for k, v in env.items() if k != "HF_TOKEN"}
    refused = textgen("push", trained.run, "alice/book", env=nobody)

    refused.assert_refused(77, "alice/book", "hf auth login", "HF_TOKEN")


def test_into_a_folder_of_somebody_else(textgen, trained, hub, env):
    """Bob's login does not write into what is Alice's."""
    bob = env | {"HF_TOKEN": "hf_bob"}
    refused = textgen("push", trained.run, "alice/book", env=bob)

    refused.assert_refused(77, "alice/book", "403")


def test_a_server_without_the_newer_protocol(textgen, trained, hub, env):
    """
    A push needs only what every hub can do.

    The client would prefer Xet where its package is installed, and does not ask
    whether the server has it. With HF_HUB_DISABLE_XET=0 it is let to, and fails.
    """
    modern = textgen(
        *("push", trained.run, "alice/book"), env=env | {"HF_HUB_DISABLE_XET": "0"}
    )
    plain = textgen("push", trained.run, "alice/book", env=env)

    modern.assert_refused(69, "HF_HUB_DISABLE_XET")
    assert plain.code == 0, plain.stderr
    assert set(hub.files("alice/book")) == THREE
