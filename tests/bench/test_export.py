import pytest
import torch
from torch import nn

from dance_lib.bench.export import PoolByProducts, exportable


@pytest.mark.parametrize("size", [(1, 4, 4), (2, 3, 5), (None, 2, 7)])
def test_pools_by_products_are_adaptive_pools(size):
    maps = torch.rand(2, 3, 5, 7, 9, dtype=torch.float32)
    expected = nn.AdaptiveAvgPool3d(size)(maps)
    found = PoolByProducts(size)(maps)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-6)


def test_only_the_copy_changes_and_only_where_it_must():
    network = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.AdaptiveAvgPool3d((1, 2, 2)))
    copy = exportable(network)
    assert [type(m) for m in copy] == [nn.AdaptiveAvgPool3d, PoolByProducts]
    assert [type(m) for m in network] == [nn.AdaptiveAvgPool3d] * 2
