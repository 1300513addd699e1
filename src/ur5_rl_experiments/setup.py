from setuptools import find_packages, setup

NAME = "ur5_rl_experiments"

setup(
    name=NAME,
    version="0.1.0",
    description="In-process and virtual-time experiments, evaluation, figures, benches",
    maintainer="ur5rl maintainers",
    maintainer_email="maintainers@ur5rl.invalid",
    license="Apache-2.0",
    packages=find_packages(exclude=["test"]),
    package_data={f"{NAME}.faults": ["*.c"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
)
