"""Where AWS's services are: the golden file that the unit tests read says what botocore says, region by region."""
import itertools
import os

from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from botocore.session import get_session

from gateway import ROOT

FILE = os.path.join(ROOT, "spec/golden/aws-endpoints.txt")


def lines():
    """One region of every partition with all that may be asked for, and every other region as it is."""
    loader = get_session().get_component("data_loader")
    partitions = loader.load_data("partitions")
    for service in "sns", "sqs", "sts":
        provider = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
        for partition in partitions["partitions"]:
            regions = sorted(r for r in partition["regions"] if not r.endswith("-global"))
            for region, fips, dual in itertools.product(regions, ("-", "fips"), ("-", "dual")):
                if region != regions[0] and (fips, dual) != ("-", "-"):
                    continue
                try:
                    url = provider.resolve_endpoint(Region=region, UseFIPS=fips == "fips", UseDualStack=dual == "dual").url
                except EndpointProviderError:                   # there is no such thing
                    continue
                yield f"{service} {region} {fips} {dual} {url}\n"


def test_endpoints_are_botocores():
    with open(FILE, encoding="ascii") as f:
        assert f.readlines() == list(lines())


if __name__ == "__main__":
    with open(FILE, "w", encoding="ascii") as out:
        out.writelines(lines())
