"""The report (`build.build_report`): one HTML file that shows what records tell, and opens without a network."""
