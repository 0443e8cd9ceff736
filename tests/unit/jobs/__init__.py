"""Tests of the state of a job and of the decisions that follow from it; they touch nothing but values."""
