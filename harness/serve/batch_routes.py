"""Where the operations of AWS Batch listen and what they take, from botocore's model of it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import botocore.session
from aiohttp import web
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

from harness.placements.batch.definition import DefinitionError
from harness.placements.batch.jobs import SubmitError
from harness.serve.batch import BatchApi
from harness.serve.batch_requests import ClientException


def add_routes(app: web.Application, api: BatchApi) -> None:
    """Serve every operation that the API has a method for."""
    for operation in _model().operation_names:
        model = _model().operation_model(operation)
        method = getattr(api, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower(), None)
        if method is not None:
            app.router.add_route(model.http["method"], model.http["requestUri"], _answering(model, method))


def _answering(
    model: OperationModel, method: Callable[[dict[str, Any]], dict[str, Any]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(http: web.Request) -> web.Response:
        try:
            asked = json.loads(await http.read() or b"{}")
            assert model.input_shape is not None
            report = ParamValidator().validate(asked, model.input_shape)
            if report.has_errors():
                raise ClientException(report.generate_report())
            return web.json_response(method(asked))
        except (ClientException, DefinitionError, SubmitError, ValueError) as error:
            headers = {"x-amzn-ErrorType": "ClientException"}
            return web.json_response({"message": str(error)}, status=400, headers=headers)

    return handle


@cache
def _model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("batch")
