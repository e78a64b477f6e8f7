from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credfirewall', '0006_api_keys'),
    ]

    operations = [
        migrations.CreateModel(
            name='ConformanceReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ],
            options={
                'verbose_name': 'conformance report',
                'verbose_name_plural': 'conformance',
                'managed': False,
                'default_permissions': ('view',),
                'base_manager_name': 'objects',
            },
        ),
    ]
