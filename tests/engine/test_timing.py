"""Timings that are kept between builds, against the recorded bindings of every version."""

from streamd.engine.timing import TimingCache


def test_timings_are_kept_by_every_version(library, version, run, tmp_path):
    timing = TimingCache(tmp_path / "made" / "gpu.timing")
    run(library(version), timing=timing)
    assert timing.path.read_bytes() == b"timings"
    found = library(version)
    run(found, timing=timing)
    assert found.api.called("IBuilderConfig.create_timing_cache") == [(b"timings",)]


def test_timings_that_are_refused_are_begun_anew(library, run, tmp_path):
    timing = TimingCache(tmp_path / "gpu.timing")
    timing.path.write_bytes(b"of another version")
    refused = {"IBuilderConfig.set_timing_cache": lambda _config, _cache, _mismatch: False}
    found = library("tensorrt 10.3.0", **refused)
    run(found, timing=timing)
    assert found.api.called("IBuilderConfig.create_timing_cache") == [(b"of another version",), (b"",)]
