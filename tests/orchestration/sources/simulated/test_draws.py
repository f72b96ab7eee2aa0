import numpy as np

from orchestration.sources.simulated.draws import Stream, fat_tailed, normal, uniforms

ENTITIES = np.array([4, 9, 2], dtype=np.int64)


def test_a_day_drawn_alone_is_the_day_drawn_among_others():
    many = uniforms(7, Stream.PATH, ENTITIES, first=0, n_steps=50)
    one = uniforms(7, Stream.PATH, ENTITIES[[1]], first=31, n_steps=1)
    assert many.shape == (50, 3, 4)
    assert (one[0, 0] == many[31, 1]).all()


def test_seed_stream_entity_and_day_each_change_the_draw():
    def draw(seed=7, stream=Stream.PATH, entity=4, day=3):
        return uniforms(seed, stream, np.array([entity]), first=day, n_steps=1)[0, 0, 0]

    draws = [draw(), draw(seed=8), draw(stream=Stream.BAR), draw(entity=5), draw(day=4)]
    assert len(set(draws)) == 5


def test_uniform_numbers_fill_the_open_interval_evenly():
    u = uniforms(1, Stream.BAR, np.arange(50), first=0, n_steps=1000).ravel()
    assert 0 < u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1
    # The mean of 200,000 uniform numbers has a standard error of 0.00065.
    assert abs(u.mean() - 0.5) < 0.003


def test_normal_is_the_quantile_of_the_normal_distribution():
    assert np.allclose(normal(np.array([0.5, 0.975])), [0.0, 1.959964], atol=1e-6)


def test_fat_tails_have_unit_variance_and_kurtosis_above_the_normal():
    u = uniforms(1, Stream.PATH, np.arange(100), first=0, n_steps=2000)
    x = fat_tailed(u[..., 0], u[..., 1]).ravel()
    assert abs(x.mean()) < 0.01
    assert abs(x.var() - 1.0) < 0.02
    # 3 (1 + 0.75^2) = 4.69: variance is 1/4 + 3/4 of an exponential variate, whose variance is 0.75^2.
    assert abs((x**4).mean() - 4.69) < 0.3
