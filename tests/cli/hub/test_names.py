"""`hf://user/repo` is a model wherever a command takes one."""

import pytest


def test_a_name_on_the_hub_is_a_model_everywhere(textgen, hub, env, trained, shared):
    """Wherever a command takes a checkpoint; a mixture too."""
    far, near = "hf://alice/book", trained.model
    words = ("-n", "50", "--seed", "1")
    evaluated = [
        textgen("evaluate", model, trained.text, "--split", "validation", env=env)
        for model in (far, near)
    ]
    told = [textgen("info", model, "--json", env=env).stdout for model in (far, near)]
    mixed = textgen(*("sample", "--mix", f"{far}:0.7", "--mix", far, *words), env=env)
    sampled = textgen("sample", f"{far}@{shared}", *words, env=env)

    assert evaluated[0].stdout == evaluated[1].stdout
    assert evaluated[0].code == 0, evaluated[0].stderr
    assert told[0] == told[1]
    assert mixed.code == 0, mixed.stderr
    assert sampled.code == 0, sampled.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("checkpoints", "verify", "{}"),
        ("checkpoints", "diff", "{}", "fables"),
        ("checkpoints", "average", "{}", "{}", "-o", "mean.safetensors"),
        ("export", "{}", "--format", "npz", "-o", "model.npz"),
        ("inspect", "{}", "--text", "Said", "--json"),
        ("push", "{}", "alice/again", "--dry-run"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_every_command_takes_a_name_on_the_hub(textgen, hub, env, shared, words):
    """As well as the file; `verify` once looked for a file of that name."""
    far = textgen(*(w.format("hf://alice/book") for w in words), env=env)

    assert far.code == 0, far.stderr


def test_a_name_on_the_hub_names_what_is_exported(textgen, hub, env, shared):
    """It was once `blobs.npz`, after a folder of the cache."""
    done = textgen("export", f"hf://alice/book@{shared}", "--format", "npz", env=env)

    assert done.stdout == "book.npz\n"
    assert textgen.left() == ["book.npz"]


def test_a_name_on_the_hub_is_verified(textgen, hub, env, trained, shared):
    """With the digest of its weights; a name of nothing is one bad file of several."""
    names = ("hf://alice/book", "hf://alice/none")
    near = textgen("checkpoints", "verify", trained.model, "--json").json
    told = textgen("checkpoints", "verify", *names, "--json", env=env)
    found, absent = told.json["checkpoints"]

    assert told.code == 66
    assert found["path"] == "hf://alice/book"
    assert found["tensors_sha256"] == near["checkpoints"][0]["tensors_sha256"]
    assert "alice/none" in absent["problem"]


@pytest.mark.parametrize(
    "argument", ["hf://alice", "hf://alice/book/model.safetensors", "hf://a/b@../c"]
)
def test_a_name_that_is_none(textgen, hub, env, argument):
    """A name of a model on a hub is never taken for a file."""
    textgen("sample", argument, env=env).assert_refused(2, argument, "user/repo")


def test_a_name_that_comes_wrong(textgen, hub, env, shared):
    """`hf://` is checked as a pull is, and does not stay wrong in the cache."""
    words = ("sample", "hf://alice/book", "-n", "9")
    hub.misbehave("get", "flipped", 1)
    refused = textgen(*words, env=env)

    refused.assert_refused(65, "sha256", "model.safetensors of hf://alice/book")
    assert textgen(*words, env=env).code == 0
