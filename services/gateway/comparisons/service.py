"""Order comparisons, vote on their pairs, read what they came to."""

from collections.abc import Sequence

from services.gateway.comparisons.prompts import PromptPair, choose_prompts
from services.gateway.comparisons.schemas import ComparisonRequest, VoteRequest
from services.gateway.http.idempotency import KeyClaim
from services.gateway.models.naming import NamedModel, name_model
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.contracts.queue.messages import CompareModels
from shared.contracts.statuses import COMPARISON
from shared.contracts.votes import PairVotes, tally
from shared.errors import ConflictError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.models import ComparisonPair, ModelComparison
from shared.stores.db.repositories import comparisons
from shared.stores.db.repositories.pages import Page

HUMAN = "human"


async def order_comparison(
    gateway: Gateway, caller: Principal, claim: KeyClaim, request: ComparisonRequest
) -> ModelComparison:
    """Record what is to be compared, and send it to the workers. Aliases mean what they mean now.

    Raises: NotFoundError for a model, file or run; InvalidRequestError for a template, or rows, that make no prompts.
    """
    model = await name_model(gateway, caller, request.model)
    against = await name_model(gateway, caller, request.against)
    judge: str | Json = HUMAN
    if not isinstance(request.judge, str):
        judged_by = await name_model(gateway, caller, request.judge.model)
        judge = {"model": judged_by.name, "format": request.judge.format}
    prompts = await choose_prompts(gateway, caller, request)
    async with gateway.database.transaction() as session:
        row = await comparisons.add_comparison(
            session,
            project_id=caller.project_id,
            api_key_id=caller.api_key_id,
            model=model.name,
            against=against.name,
            prompts=[pair.short for pair in prompts],
            request=describe_request(request, model, against, prompts, judge),
        )
        await claim.bind(session, row.id)
    await gateway.sender.send(CompareModels(row.id))
    return row


def describe_request(
    request: ComparisonRequest, model: NamedModel, against: NamedModel, prompts: Sequence[PromptPair], judge: str | Json
) -> Json:
    """Return what the workers need to know."""
    held_out = request.file or (model.row.validation_file_id if model.row else None)
    return {
        "format": request.format or find_format(model),
        "against_format": request.against_format or find_format(against),
        "prompts_against": [pair.long for pair in prompts],
        "parameters": request.parameters,
        "judge": judge,
        "file_id": held_out,
        "seed": request.seed,
    }


def find_format(model: NamedModel) -> str:
    """Return how a model is asked: as it was tuned."""
    template = (model.row.template if model.row else None) or {}
    return "chat" if template.get("format") in ("chat", "preference") else "completion"


async def get_comparison(gateway: Gateway, caller: Principal, comparison_id: str) -> ModelComparison:
    """Return a comparison. Raises: NotFoundError, also for another project's."""
    async with gateway.database.transaction() as session:
        row = await comparisons.find_comparison(session, caller.project_id, comparison_id)
    if row is None:
        raise NotFoundError(f"No comparison '{comparison_id}' in this project.", param="id")
    return row


async def list_comparisons(gateway: Gateway, caller: Principal, page: Page) -> tuple[Sequence[ModelComparison], bool]:
    """Return a page of comparisons. Raises: NotFoundError for a cursor that is not there."""
    if page.after is not None:
        await get_comparison(gateway, caller, page.after)
    async with gateway.database.transaction() as session:
        return await comparisons.list_comparisons(session, caller.project_id, page)


async def list_pairs(gateway: Gateway, caller: Principal, comparison_id: str) -> list[Json]:
    """Return the pairs: while people vote, without saying which text is whose. Raises: NotFoundError when the project
    has no such comparison."""
    row = await get_comparison(gateway, caller, comparison_id)
    async with gateway.database.transaction() as session:
        pairs = await comparisons.list_pairs(session, row.id)
    shape = shape_pair if row.status in COMPARISON.final or row.request["judge"] != HUMAN else shape_blind_pair
    return [shape(row, pair) for pair in pairs]


async def vote_on_pair(
    gateway: Gateway, caller: Principal, comparison_id: str, request: VoteRequest
) -> ModelComparison:
    """Store a vote; the last one ends the comparison. A pair may be voted on again until then.

    Raises: NotFoundError for a comparison or pair that is not there; ConflictError when the comparison waits for
    no votes.
    """
    row = await get_comparison(gateway, caller, comparison_id)
    async with gateway.database.transaction() as session:
        if not await comparisons.lock_voting(session, row):
            message = f"The comparison is {row.status}; votes are taken only while it is voting."
            raise ConflictError(message, param="id", code="not_voting")
        pairs = await comparisons.list_pairs(session, row.id)
        if request.position >= len(pairs):
            raise NotFoundError(f"The comparison has no pair {request.position}.", param="position")
        values = read_vote(pairs[request.position], request.vote, caller.api_key_id)
        await comparisons.write_pair(session, row.id, request.position, values)
        voted = [
            PairVotes(values["vote"], values["vote_swapped"])
            if pair.position == request.position
            else PairVotes(pair.vote, pair.vote_swapped)
            for pair in pairs
        ]
        if all(votes.first or votes.second for votes in voted):
            await comparisons.finish_voting(session, row.id, {**(row.result or {}), **tally(voted)})
    return await get_comparison(gateway, caller, comparison_id)


def read_vote(pair: ComparisonPair, vote: str, voter: str) -> Json:
    """Return the columns of a vote, from the order in which the pair is shown."""
    is_first = shows_model_first(pair)
    meant = vote if vote == "tie" else "model" if (vote == "a") == is_first else "against"
    return {
        "vote": meant if is_first else None,
        "vote_swapped": None if is_first else meant,
        "voted_by": voter,
    }


def shows_model_first(pair: ComparisonPair) -> bool:
    """Say which text people see first: always the same for a pair, and half of the pairs each way by their ids."""
    return (int(pair.comparison_id[-8:], 16) + pair.position * 2654435761 >> 7) % 2 == 0


def shape_comparison(row: ModelComparison) -> Json:
    """Return the comparison object."""
    judge = row.request["judge"]
    return {
        "id": row.id,
        "object": "model_comparison",
        "status": row.status,
        "model": row.model,
        "against": row.against,
        "judge": judge if isinstance(judge, str) else {"model": judge["model"]},
        "samples": len(row.request["prompts_against"]),
        "parameters": row.request["parameters"],
        "file": row.request["file_id"],
        "result": row.result if row.status == "succeeded" else None,
        "error": row.error,
        "created_at": unix_seconds(row.created_at),
        "finished_at": unix_seconds(row.finished_at) if row.finished_at else None,
    }


def shape_pair(row: ModelComparison, pair: ComparisonPair) -> Json:
    """Return a pair with the names told."""
    votes = PairVotes(pair.vote, pair.vote_swapped)
    return {
        "object": "model_comparison.pair",
        "position": pair.position,
        "prompt": pair.prompt,
        "prompt_against": row.request["prompts_against"][pair.position],
        "text": pair.text,
        "text_against": pair.text_against,
        "vote": pair.vote,
        "vote_swapped": pair.vote_swapped,
        "outcome": votes.outcome if votes.first or votes.second else None,
        "voted_by": pair.voted_by,
    }


def shape_blind_pair(row: ModelComparison, pair: ComparisonPair) -> Json:
    """Return a pair as people vote on it."""
    texts = (pair.text, pair.text_against)
    first, second = texts if shows_model_first(pair) else texts[::-1]
    return {
        "object": "model_comparison.pair",
        "position": pair.position,
        "prompt": pair.prompt,
        "a": first,
        "b": second,
        "is_voted": pair.vote is not None or pair.vote_swapped is not None,
    }
