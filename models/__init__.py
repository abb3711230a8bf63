"""What thinks: models, their training and evaluation. No Kafka, no Faust, no asyncio."""
