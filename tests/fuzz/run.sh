#!/bin/sh
# run.sh TARGET ROUNDS DIRECTORY: the target over every file of the corpus.
exec "$1" "$2" "$3"/*
