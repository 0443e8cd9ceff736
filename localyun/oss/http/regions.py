"""The OSS action DescribeRegions. The regions and their endpoints are the vendor's; one of them is served here."""

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import element, leaves, xml_response

# OSS user guide, "Regions and endpoints", read 2026-11; regions of the public cloud.
REGIONS = (
    *("cn-hangzhou", "cn-shanghai", "cn-qingdao", "cn-beijing", "cn-zhangjiakou", "cn-huhehaote", "cn-wulanchabu"),
    *("cn-shenzhen", "cn-heyuan", "cn-guangzhou", "cn-chengdu", "cn-hongkong", "us-west-1", "us-east-1"),
    *("ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-3", "ap-southeast-5", "ap-southeast-6"),
    *("ap-southeast-7", "eu-central-1", "eu-west-1", "me-east-1"),
)


def describe_regions(request: OssRequest) -> HttpResponse:
    """Answer DescribeRegions: of one region, or of all."""
    wanted = request.query["regions"]
    found = [region for region in REGIONS if wanted in {"", f"oss-{region}"}]
    if not found:
        raise ServiceError(404, "NoSuchRegion", f"The region {wanted} does not exist.", Region=wanted)
    return xml_response("RegionInfoList", *(element("RegionInfo", _endpoints(region)) for region in found))


def _endpoints(region: str) -> str:
    return leaves(
        Region=f"oss-{region}",
        InternetEndpoint=f"oss-{region}.aliyuncs.com",
        InternalEndpoint=f"oss-{region}-internal.aliyuncs.com",
        AccelerateEndpoint="oss-accelerate.aliyuncs.com",
    )
