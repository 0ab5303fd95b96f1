"""The article's cells, top to bottom, with openai 0.27.4: only key and base URL are set. Prints JSON at the end.

Changed against the article: shorter lists and texts, so that it takes seconds on a tiny model; the name of the tuned
model is read from the list instead of typed in; and the two slips of the cell that makes more stories are corrected
(`prepare_stories` has no `repeat`, and does not write to its `output_file`)."""

import json
import os
import subprocess
import sys

import backoff
import openai
import pandas as pd

os.chdir(sys.argv[1])
os.makedirs("data", exist_ok=True)
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
openai.api_key = os.getenv("OPENAI_API_KEY")
said = {}


def run(name, command):
    """A cell's `subprocess.run(command.split())`, with what it prints kept."""
    done = subprocess.run(command.split(), check=False, capture_output=True, text=True)
    said[name] = {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    return done.stdout


@backoff.on_exception(backoff.expo, openai.error.RateLimitError)
def gpt35(prompt, max_tokens=60, temperature=0.5, top_p=1, frequency_penalty=0, presence_penalty=0):
    response = openai.Completion.create(
        engine="text-davinci-003",
        prompt=prompt,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        frequency_penalty=frequency_penalty,
        presence_penalty=presence_penalty,
    )
    return response["choices"][0]["text"]


def prepare_stories(dynasties, super_powers, story_types, repeat=3, output_file="data/ultraman_stories.csv"):
    df = pd.DataFrame()
    for dynasty in dynasties:
        for super_power in super_powers:
            for story_type in story_types:
                for _ in range(repeat):
                    prompt = f"""请你用中文写一段300字的故事，情节跌宕起伏，讲述一位{dynasty}朝时期的英雄人物，穿越到现代，拥有了{super_power}这样的超能力，通过{story_type}的战斗，帮助奥特曼一起打败了怪兽的故事。"""  # noqa: E501
                    story = gpt35(prompt)
                    row = {"dynasty": dynasty, "super_power": super_power, "story_type": story_type, "story": story}
                    row = pd.DataFrame([row])
                    df = pd.concat([df, row], axis=0, ignore_index=True)
    df.to_csv(output_file)


def prepare_data(stories, prepared):
    df = pd.read_csv(stories)
    df["sub_prompt"] = df["dynasty"] + "," + df["super_power"] + "," + df["story_type"]
    prepared_data = df.loc[:, ["sub_prompt", "story"]]
    prepared_data = prepared_data.rename(columns={"sub_prompt": "prompt", "story": "completion"})
    prepared_data.to_csv(prepared, index=False)


prepare_stories(["唐", "宋"], ["隐形"], ["轻松", "努力"])
prepare_data("data/ultraman_stories.csv", "data/prepared_data.csv")
run("prepare", "openai tools fine_tunes.prepare_data --file data/prepared_data.csv --quiet")
run(
    "create",
    'openai api fine_tunes.create --training_file data/prepared_data_prepared.jsonl --model curie --suffix "ultraman"',
)
listed = json.loads(run("list", "openai api fine_tunes.list"))
fine_tune, model = listed["data"][-1]["id"], listed["data"][-1]["fine_tuned_model"]


def write_a_story(prompt):
    response = openai.Completion.create(model=model, prompt=prompt, temperature=0.7, max_tokens=60, top_p=1, stop=["."])
    return response["choices"][0]["text"]


said["story"] = write_a_story("宋,发射激光,艰难 ->\n")
run("results", f"openai api fine_tunes.results -i {fine_tune}")

new_stories = "data/ultraman_stories_more.csv"
prepare_stories(["秦", "隋"], ["龙卷风"], ["轻松", "勇敢"], repeat=2, output_file=new_stories)
prepare_data(new_stories, "data/prepared_data_more.csv")
run("prepare_more", "openai tools fine_tunes.prepare_data --file data/prepared_data_more.csv --quiet")
run(
    "create_more",
    f"openai api fine_tunes.create --training_file data/prepared_data_more_prepared.jsonl --model {model}"
    ' --suffix "ultraman" --learning_rate_multiplier 0.2',
)
said["story_more"] = write_a_story("五代,流星火雨,艰难 ->\n")


def write_a_story_by_stream(prompt):
    return openai.Completion.create(
        model=model, prompt=prompt, temperature=0.7, max_tokens=60, stream=True, top_p=1, stop=["."]
    )


said["streamed"] = "".join(event["choices"][0]["text"] for event in write_a_story_by_stream("汉,冰冻大海,艰难 ->\n"))
print(json.dumps({"model": model, "fine_tune": fine_tune, **said}))
