"""What a record says: populations, cost, aggregation, comparisons, figures. Every figure comes with its interval."""
