"""`/v1/datasets…`."""

from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response

from services.gateway.datasets.answers import DatasetReport, ShownRow
from services.gateway.datasets.reading import ROW_PREFIX, get_finished, get_report_file, get_side_file, list_rows
from services.gateway.datasets.schemas import Dataset, DatasetRequest, DeletedDataset, Side, Status
from services.gateway.datasets.service import (
    cancel_dataset,
    delete_dataset,
    get_dataset,
    list_datasets,
    order_dataset,
    shape_dataset,
)
from services.gateway.files.routes import send_file
from services.gateway.http.contents import TEXT
from services.gateway.http.dependencies import MAX_PAGE, Caller, ClaimDep, GatewayDep, NewestFirst
from services.gateway.http.download import Download
from services.gateway.http.listings import ListPage
from services.gateway.http.route import own_router
from shared.http.answers import JsonAnswer, list_body

router = own_router("datasets")


@router.post("/datasets", summary="Prepare a dataset", status_code=202, response_model=Dataset)
async def create_dataset(body: DatasetRequest, gateway: GatewayDep, caller: Caller, claim: ClaimDep) -> JsonAnswer:
    """Record what is wanted and return at once; a worker checks, mends, splits and writes the rows."""
    if claim.subject_id is not None:
        prepared = await get_dataset(gateway, caller, claim.subject_id)
    else:
        prepared = await order_dataset(gateway, caller, claim, body)
    return JsonAnswer(shape_dataset(*prepared), 202, {"location": f"/v1/datasets/{prepared[0].id}"})


@router.get("/datasets", summary="List datasets", response_model=ListPage[Dataset])
async def read_datasets(
    gateway: GatewayDep, caller: Caller, page: NewestFirst, status: Status | None = None
) -> JsonAnswer:
    """Return the project's datasets."""
    found, has_more = await list_datasets(gateway, caller, page, status)
    return JsonAnswer(list_body([shape_dataset(*prepared) for prepared in found], has_more=has_more))


@router.get("/datasets/{dataset_id}", summary="Get a dataset", response_model=Dataset)
async def read_dataset(dataset_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return a dataset: its state, counts, findings, template contract and files."""
    return JsonAnswer(shape_dataset(*await get_dataset(gateway, caller, dataset_id)))


@router.post("/datasets/{dataset_id}/cancel", summary="Cancel a dataset", response_model=Dataset)
async def stop_dataset(dataset_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """End a preparation, whether it waits or is under way; nothing of it is kept."""
    return JsonAnswer(shape_dataset(*await cancel_dataset(gateway, caller, dataset_id)))


@router.delete("/datasets/{dataset_id}", summary="Delete a dataset", response_model=DeletedDataset)
async def remove_dataset(dataset_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Delete a dataset that is over, with its rows and files, unless a fine-tuning job or model was made with it."""
    return JsonAnswer(await delete_dataset(gateway, caller, dataset_id))


@router.get(
    "/datasets/{dataset_id}/report",
    summary="Report on a dataset",
    response_class=Response,
    responses={200: {"model": DatasetReport, "content": {"text/html": TEXT}}},
)
async def read_report(
    dataset_id: str,
    gateway: GatewayDep,
    caller: Caller,
    format: Annotated[Literal["json", "html"], Query()] = "json",
) -> Response:
    """Return counts, findings with examples, histograms and tokens; as a page with plots on request."""
    if format == "html":
        file = await get_report_file(gateway, caller, dataset_id)
        return await send_file(gateway, caller, file, "text/html; charset=utf-8")
    dataset, _ = await get_finished(gateway, caller, dataset_id)
    return JsonAnswer({"object": "dataset.report", "dataset_id": dataset.id, **(dataset.report or {})})


@router.get("/datasets/{dataset_id}/rows", summary="List a dataset's rows", response_model=ListPage[ShownRow])
async def read_rows(
    dataset_id: str,
    gateway: GatewayDep,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    after: Annotated[str | None, Query(pattern=rf"^{ROW_PREFIX}\d{{1,9}}$")] = None,
    split: Side | None = None,
) -> JsonAnswer:
    """Return rows in their order, each with its story, recipe version and cost, or its file and line."""
    start = int(after.removeprefix(ROW_PREFIX)) if after else None
    rows, has_more = await list_rows(gateway, caller, dataset_id, limit=limit, after=start, split=split)
    return JsonAnswer(list_body(rows, has_more=has_more))


@router.get(
    "/datasets/{dataset_id}/export",
    summary="Export a dataset",
    response_class=Response,
    responses={200: {"content": {"application/x-ndjson": TEXT}}},
)
async def export_dataset(dataset_id: str, gateway: GatewayDep, caller: Caller, split: Side = "train") -> Download:
    """Return the training or the validation file."""
    file = await get_side_file(gateway, caller, dataset_id, split)
    return await send_file(gateway, caller, file, "application/x-ndjson")
