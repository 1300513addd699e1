from setuptools import find_packages, setup

NAME = "ur5_rl_ros"

setup(
    name=NAME,
    version="0.1.0",
    description="ROS glue shared by every node: parameters, QoS, process start and stop, image bridge",
    maintainer="ur5rl maintainers",
    maintainer_email="maintainers@ur5rl.invalid",
    license="Apache-2.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=True,
)
