# ruff: noqa: E501 (texts are not broken across lines)
"""Ten clean data sets, Chinese and English, made from a seed."""

import random

Row = tuple[str, str]

HEROES = ["李明", "王安", "赵云山", "陈光", "林远", "周野", "孙策文", "吴桐", "郑和平", "冯小雨"]
POWERS = ["隐形", "飞行", "读心术", "瞬间移动", "冰冻大海", "操纵火焰", "与动物交谈", "时间暂停"]
PLACES = ["长安城", "黄河岸边", "雪山脚下", "海边的渔村", "古老的寺庙", "边关的烽火台", "江南的园林", "沙漠里的绿洲"]
DEEDS = ["点燃了篝火", "修好了断桥", "救出了孩子", "唤醒了沉睡的村民", "找到了失踪的信使", "守住了城门", "学会了一支古曲",
         "画下了怪兽的弱点", "劝住了争吵的兄弟", "打造了一面铜镜", "放飞了所有的灯笼", "听懂了风的语言"]  # fmt: skip
FEELINGS = [
    "心里十分平静",
    "第一次感到害怕",
    "忍不住笑了起来",
    "想起了远方的母亲",
    "觉得肩上的担子很重",
    "仿佛回到了童年",
]
NAMES = ["Mara", "Tobias", "Ines", "Ravi", "Oona", "Felix", "Greta", "Hugo", "Selma", "Anton"]
THINGS = ["a rusty lantern", "the last ferry", "an empty orchard", "his brother's map", "the frozen harbour", "a choir of crows",
          "the miller's clock", "some forgotten letters", "a blue umbrella", "the abandoned station"]  # fmt: skip
ACTS = [
    "followed",
    "repaired",
    "painted",
    "buried",
    "photographed",
    "hid behind",
    "sang to",
    "argued about",
    "dreamed of",
    "walked around",
]
CLOSES = ["before the rain began", "while nobody watched", "because winter was near", "until the bells rang", "for the third time",
          "with both hands trembling", "and laughed out loud", "although it was forbidden"]  # fmt: skip


def chinese_story(chance: random.Random) -> str:
    hero = chance.choice(HEROES)
    sentences = [
        f"{chance.choice(['清晨', '黄昏', '深夜', '正午', '雨后'])}，{hero}在{chance.choice(PLACES)}{chance.choice(DEEDS)}，{chance.choice(FEELINGS)}"
        for _ in range(chance.randint(4, 7))
    ]
    return "。".join(sentences) + chance.choice("。！？")


def english_story(chance: random.Random) -> str:
    name = chance.choice(NAMES)
    sentences = [
        f"{chance.choice(['Yesterday', 'At dawn', 'Much later', 'In secret', 'On Sunday'])} {name} {chance.choice(ACTS)} {chance.choice(THINGS)} {chance.choice(CLOSES)}"
        for _ in range(chance.randint(4, 7))
    ]
    return ". ".join(sentences) + chance.choice([".", "!", "?"])


def clean_sets() -> dict[str, list[Row]]:
    """Name → rows. Sizes from 40 to 90."""
    sets: dict[str, list[Row]] = {}
    for number in range(3):
        chance = random.Random(number)
        sets[f"chinese_{number}"] = [(f"{h},{p}", chinese_story(chance)) for h in HEROES for p in POWERS]
        sets[f"english_{number}"] = [(f"{n} and {t}", english_story(chance)) for n in NAMES for t in THINGS[:8]]
    chance = random.Random(7)
    sets["chinese_three_repeats"] = [
        (f"{h},{p}", chinese_story(chance)) for h in HEROES[:6] for p in POWERS[:5] for _ in range(3)
    ]
    sets["english_open_ended"] = [("", english_story(chance)) for _ in range(60)]
    sets["chinese_classes"] = [(chinese_story(chance), "正面" if i % 2 else "负面") for i in range(60)]
    sets["english_with_markers"] = [
        (f"{n} and {t} ->", f" {english_story(chance)} END") for n in NAMES for t in THINGS[:6]
    ]
    return sets
