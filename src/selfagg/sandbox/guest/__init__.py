"""The programs inside a sandbox. Nothing here may import the rest of selfagg: only this folder is mounted there."""
