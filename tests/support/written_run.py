"""A run whose stories stand written in a gateway's database, for who reads and judges them; no model wrote them."""

from typing import Any, Final

import httpx2
from sqlalchemy import text

from tests.support.gateway import Mill
from tests.support.upstream import MODEL

DYNASTIES: Final = ("唐", "宋")
POWERS: Final = ("隐形", "飞行")
STORY: Final = (
    "边城有一位沉默的铸剑师。一场雷雨之后，他睁眼已在高楼林立的都市，掌心留着一道温热的光。"
    "怪兽踏碎海堤的那一夜，奥特曼的能量灯由蓝转红，他想起师父的话：剑不在手，在心。"
)

WRITE: Final = text("""
update story set status = 'succeeded', attempt = 1, text = :story || position, finish_reason = 'stop', model = 'm',
prompt_tokens = 20, completion_tokens = 80, cost_usd = 0.0001, finished_at = now(),
sha256 = encode(sha256(convert_to(:story || position, 'UTF8')), 'hex') where generation_id = :run""")
REFUSE: Final = text("""
insert into attempt (id, project_id, subject_id, generation_id, number, worker_id, provider, model, outcome,
                     rejected_text, rejected_because, finished_at)
select 'att_' || substr(md5(id), 1, 32), project_id, id, generation_id, 1, 'w', 'p', 'm', 'rejected', '短', :because,
       now() from story where generation_id = :run and position = 0""")
TWICE: Final = text("update story set attempt = 2 where generation_id = :run and position = 0")


async def write_run(mill: Mill, client: httpx2.AsyncClient, repeats: int = 5, refused_because: str = "") -> str:
    """Return the id of a run of four cells, all of whose stories are written; the first one perhaps at its second
    try, since a rule refused the text of the first."""
    recipe: dict[str, Any] = {
        "template": "写一个{{ dynasty }}朝{{ power }}的故事",
        "attributes": {"dynasty": list(DYNASTIES), "power": list(POWERS)},
        "model": MODEL,
        "repeats": repeats,
    }
    answer = await client.post("/v1/generations", json={"recipe": recipe})
    assert answer.status_code == 202, answer.text
    run = str(answer.json()["id"])
    async with mill.database.transaction() as session:
        await session.execute(WRITE, {"run": run, "story": STORY})
        if refused_because:
            await session.execute(REFUSE, {"run": run, "because": refused_because})
            await session.execute(TWICE, {"run": run})
    return run


async def read_reviews(client: httpx2.AsyncClient, run: str) -> list[str | None]:
    """Return the verdicts of a run's stories in its order."""
    found = await client.get("/v1/stories", params={"generation_id": run, "limit": 100})
    return [story["review"] for story in found.json()["data"]]
