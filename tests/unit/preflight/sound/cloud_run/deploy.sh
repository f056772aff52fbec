#!/usr/bin/env bash
set -euo pipefail

# Recovery: every fifteen minutes.
gcloud scheduler jobs create http recovery --location=europe-west1 \
  --schedule='*/15 * * * *' --uri="$URL/internal/recover" --http-method=POST

gcloud pubsub subscriptions create uploads --topic=uploads --push-endpoint="$URL/events" --ack-deadline=600
aws sqs create-queue --queue-name jobs --attributes VisibilityTimeout=300,MessageRetentionPeriod=1209600
