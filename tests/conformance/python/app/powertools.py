"""A handler as AWS's Powertools have it: structured logs, metrics, validation of the event's source."""

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import S3Event, event_source

logger = Logger(service="conformance")
metrics = Metrics(namespace="harness", service="conformance")


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context(log_event=True)
@event_source(data_class=S3Event)
def handler(event, context):
    metrics.add_metric(name="Objects", unit=MetricUnit.Count, value=1)
    logger.info("seen", extra={"key": event.object_key})
    return {"bucket": event.bucket_name, "key": event.object_key}
