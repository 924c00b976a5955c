"""Compare LSTM, GRU and RNN on equal terms: train, measure, report."""
