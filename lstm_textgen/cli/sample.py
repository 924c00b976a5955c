"""`textgen sample`: let a model write on."""

from lstm_textgen.cli import sample_options as o
from lstm_textgen.cli.sample_settings import chosen, draw_settings, form_settings
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.ui.options import AsJson, CheckpointArgument, Debug, Quiet

DRAW, FORM = SampleConfig(), FormConfig()


def sample(
    checkpoint: CheckpointArgument = None,
    prompt: o.Prompt = None,
    prompt_file: o.PromptFile = None,
    interactive: o.Interactive = False,
    seed: o.Seed = None,
    encoding: o.Encoding = "utf-8",
    on_unknown: o.OnUnknown = "error",
    length: o.Length = FORM.length,
    min_length: o.MinLength = FORM.min_length,
    stop: o.Stop = None,
    until: o.Until = None,
    only: o.Only = "",
    ban: o.Ban = "",
    match: o.Match = "",
    temperature: o.Temperature = str(DRAW.temperature),
    top_k: o.TopK = DRAW.top_k,
    min_p: o.MinP = DRAW.min_p,
    typical: o.Typical = DRAW.typical,
    eta: o.Eta = DRAW.eta,
    top_p: o.TopP = DRAW.top_p,
    mirostat: o.Mirostat = DRAW.mirostat,
    mirostat_rate: o.MirostatRate = DRAW.mirostat_rate,
    show_chain: o.ShowChain = False,
    repetition_penalty: o.RepetitionPenalty = DRAW.repetition_penalty,
    frequency_penalty: o.FrequencyPenalty = DRAW.frequency_penalty,
    presence_penalty: o.PresencePenalty = DRAW.presence_penalty,
    no_repeat: o.NoRepeat = DRAW.no_repeat,
    dry: o.Dry = DRAW.dry,
    dry_base: o.DryBase = DRAW.dry_base,
    dry_allowed: o.DryAllowed = DRAW.dry_allowed,
    penalty_window: o.PenaltyWindow = DRAW.penalty_window,
    samples: o.Samples = 1,
    first_sample: o.FirstSample = 0,
    best_of: o.BestOf = 1,
    beam: o.Beam = 0,
    length_power: o.LengthPower = 1.0,
    mix: o.Mix = None,
    no_echo: o.NoEcho = False,
    colour: o.Colour = None,
    alternatives: o.Alternatives = 0,
    device: o.Device = "cpu",
    threads: o.Threads = None,
    precision: o.Precision = "float32",
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen sample --prompt "The fox"
    textgen sample runs/notes -p "Dear " -n 200 --temperature 0.5 --seed 7
    textgen sample model.safetensors --top-p 0.95 > page.txt
    textgen sample --interactive

    Let a model write on from a prompt. The text goes to stdout as it is drawn,
    everything about it to stderr.
    """
    given = locals()  # the options have the names of the settings
    config, form = draw_settings(given), form_settings(given)
    from lstm_textgen.cli import sample_input
    from lstm_textgen.cli import sample_output as sample_run

    if show_chain:
        sample_run.show_chain(config, form)
        return
    task = sample_run.SampleRequest(
        config=config, form=form, **chosen(sample_run.SampleRequest, given)
    )
    output = sample_run.SampleOutput(
        **chosen(sample_run.SampleOutput, given),
        echo=not no_echo,
        tell_seed=seed is None,
    )
    source = sample_input.PromptSource(
        text=prompt,
        file=prompt_file,
        encoding=encoding,
        on_unknown=on_unknown,  # type: ignore[arg-type]
    )
    if interactive:
        sample_input.check_interactive(task, output, source)
    writer = sample_input.open_writer(
        *(checkpoint, mix or [], task),
        device=device,
        threads=threads,
        precision=precision,
        quiet=quiet,
    )
    begun = sample_input.begin(writer, source, output, keep=interactive)
    if interactive:
        from lstm_textgen.cli.interactive import converse

        converse(writer, begun, task, output, source.on_unknown)
    else:
        sample_run.write_samples(writer, begun, task, output)
