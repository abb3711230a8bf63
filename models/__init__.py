"""Models, their training and evaluation. Imports no Kafka, no Faust and no asyncio."""
